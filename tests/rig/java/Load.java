import com.sun.tools.attach.VirtualMachine;

/** The loader of the older way, run inside the container: PID JAR OPTIONS. */
public final class Load {
	public static void main(String[] args) throws Exception {
		VirtualMachine jvm = VirtualMachine.attach(args[0]);
		try {
			jvm.loadAgent(args[1], args[2]);
		} finally {
			jvm.detach();
		}
	}
}
