import java.io.File;
import java.util.ArrayList;
import java.util.List;

/**
 * The program in the rig's containers. It holds a fixed number of objects of known classes, as many
 * megabytes more as it is told, says "ready", and then counts on standard output ten times a second, so
 * that a test can see that the JVM is alive and at work.
 *
 * Arguments: fill=MB, spawn=N (N more JVMs of the same program as children).
 */
public final class Checkout {
	static final int ORDERS = 1000;
	static final int ITEMS = 5000;
	static final int CUSTOMERS = 300;
	static final int FORGOTTEN = 700;

	static final class Customer {
		final int id;
		Customer(int id) { this.id = id; }
	}

	static final class Item {
		final long price;
		Item(long price) { this.price = price; }
	}

	static final class Order {
		final Customer customer;
		final List<Item> items = new ArrayList<Item>();
		Order(Customer customer) { this.customer = customer; }
	}

	/** Unreachable as soon as it is made: in a dump of all objects, not in one of live objects. */
	static final class Forgotten {
		long a;
	}

	static final List<Customer> customers = new ArrayList<Customer>();
	static final List<Order> orders = new ArrayList<Order>();
	static final List<byte[]> filler = new ArrayList<byte[]>();
	static Object sink;

	static void fill(int megabytes) {
		// Blocks that are not humongous for G1, whose smallest region is 1 MB.
		for (int i = 0; i < 4 * megabytes; i++) {
			byte[] block = new byte[1 << 18];
			for (int j = 0; j < block.length; j += 64) {
				block[j] = (byte) (i * 31 + j);
			}
			filler.add(block);
		}
	}

	static void fixed() {
		for (int i = 0; i < CUSTOMERS; i++) {
			customers.add(new Customer(i));
		}
		for (int i = 0; i < ORDERS; i++) {
			Order order = new Order(customers.get(i % CUSTOMERS));
			for (int j = 0; j < ITEMS / ORDERS; j++) {
				order.items.add(new Item(i * 100L + j));
			}
			orders.add(order);
		}
		for (int i = 0; i < FORGOTTEN; i++) {
			sink = new Forgotten();
		}
		sink = null;
	}

	static void spawn(int children) throws Exception {
		String java = new File(System.getProperty("java.home"), "bin/java").getPath();
		for (int i = 0; i < children; i++) {
			new ProcessBuilder(java, "-Xmx32m", "-cp", System.getProperty("java.class.path"), "Checkout",
					"child=" + i).inheritIO().start();
		}
	}

	public static void main(String[] args) throws Exception {
		boolean child = false;
		for (String arg : args) {
			if (arg.startsWith("fill=")) {
				fill(Integer.parseInt(arg.substring(5)));
			} else if (arg.startsWith("spawn=")) {
				spawn(Integer.parseInt(arg.substring(6)));
			} else if (arg.startsWith("child=")) {
				child = true;
			} else {
				throw new IllegalArgumentException(arg);
			}
		}
		fixed();
		System.out.println(child ? "child ready" : "ready");
		for (long n = 1;; n++) {
			if (!child) {
				System.out.println("tick " + n);
			}
			Thread.sleep(100);
		}
	}
}
