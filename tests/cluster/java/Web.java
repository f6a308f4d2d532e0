import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;

/** Checkout, and an HTTP server for the probes of a kubelet: the first argument is its port. */
public final class Web {
	private static final byte[] ANSWER = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n".getBytes();

	private static void serve(ServerSocket server) {
		for (;;) {
			try (Socket client = server.accept()) {
				client.setSoTimeout(1000);
				client.getInputStream().read();
				client.getOutputStream().write(ANSWER);
			} catch (java.io.IOException e) {
				// a probe that has gone again
			}
		}
	}

	public static void main(String[] args) throws Exception {
		final ServerSocket server = new ServerSocket(Integer.parseInt(args[0]), 16, InetAddress.getByName("0.0.0.0"));
		Thread thread = new Thread("web") {
			@Override
			public void run() {
				serve(server);
			}
		};
		thread.setDaemon(true);
		thread.start();
		Checkout.main(java.util.Arrays.copyOfRange(args, 1, args.length));
	}
}
