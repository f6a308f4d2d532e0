/** A program that sets a security manager of its own: it may do everything but listen. */
public class Guard extends SecurityManager {
	@Override
	public void checkPermission(java.security.Permission permission) {
	}

	@Override
	public void checkListen(int port) {
		throw new SecurityException("nobody listens here");
	}

	public static void main(String[] args) throws Exception {
		System.setSecurityManager(new Guard());
		Checkout.main(args);
	}
}
