import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * A heap as services have it, for measuring: about so many megabytes of live strings (one byte and two
 * bytes a character), maps, small instances, arrays of primitives and of references; the same ones every
 * time. Says "ready", then counts as Checkout does.
 *
 * A ticker notes how long the JVM stood still: "gap MS" on standard output for each gap of 20 ms or more
 * between two ticks, which are a millisecond apart.
 *
 * Arguments: fill=MB.
 */
public final class Mixed {
	static final long GAP_NANOS = 20 * 1000 * 1000;

	/** Every primitive type, as a row of a table might have them. */
	static final class Row {
		boolean open;
		byte kind;
		char grade;
		short year;
		int number;
		float weight;
		long id;
		double price;
		String name;
		Row next;
	}

	static final class Node {
		final int key;
		Node left, right;

		Node(int key) { this.key = key; }
	}

	static final Random random = new Random(20250117);
	static final String[] words = new String[4000];
	static final List<Object> roots = new ArrayList<Object>();
	/** Bytes of heap, about. */
	static long made;

	static String word(char first, int letters) {
		char[] text = new char[3 + random.nextInt(8)];
		for (int i = 0; i < text.length; i++) {
			text[i] = (char) (first + random.nextInt(letters));
		}
		return new String(text);
	}

	static String sentence(int length) {
		StringBuilder text = new StringBuilder(length + 16);
		while (text.length() < length) {
			text.append(words[(int) Math.abs(random.nextGaussian() * 600) % words.length]).append(' ');
		}
		return text.toString();
	}

	static Object strings() {
		String[] all = new String[500];
		for (int i = 0; i < all.length; i++) {
			String text = sentence(20 + random.nextInt(180));
			// one in eight has a character that does not fit into a byte
			all[i] = i % 8 == 0 ? text + '\u0416' : text;
			made += 48 + text.length() * (i % 8 == 0 ? 2 : 1);
		}
		made += 4 * all.length;
		return all;
	}

	static Object map() {
		Map<String, Row> map = new HashMap<String, Row>();
		Row last = null;
		for (int i = 0; i < 400; i++) {
			Row row = new Row();
			row.open = random.nextBoolean();
			row.kind = (byte) random.nextInt(10);
			row.grade = (char) ('A' + random.nextInt(6));
			row.year = (short) (1990 + random.nextInt(36));
			row.number = random.nextInt(1000000);
			row.weight = random.nextInt(1000) / 10f;
			row.id = made + i;
			row.price = random.nextInt(100000) / 100.0;
			row.name = words[random.nextInt(words.length)] + i;
			row.next = last;
			last = row;
			map.put(row.name, row);
		}
		made += 400 * (56 + 48 + 32 + 8);
		return map;
	}

	static Object tree() {
		Node root = new Node(random.nextInt());
		for (int i = 0; i < 2000; i++) {
			int key = random.nextInt();
			Node at = root;
			for (;;) {
				Node next = key < at.key ? at.left : at.right;
				if (next == null) {
					break;
				}
				at = next;
			}
			if (key < at.key) {
				at.left = new Node(key);
			} else {
				at.right = new Node(key);
			}
		}
		made += 2000 * 24;
		return root;
	}

	/** Numbers, as caches and buffers hold them: some random, some small, much of it empty. */
	static Object arrays() {
		byte[] noise = new byte[12000];
		random.nextBytes(noise);
		byte[] text = sentence(24000).getBytes();
		int[] small = new int[4000];
		long[] times = new long[2000];
		double[] values = new double[1500];
		for (int i = 0; i < small.length; i++) {
			small[i] = random.nextInt(500);
		}
		for (int i = 0; i < times.length; i++) {
			times[i] = 1700000000000L + i * 1000L + random.nextInt(1000);
		}
		for (int i = 0; i < values.length / 2; i++) {
			values[i] = random.nextDouble();
		}
		made += 12000 + 24000 + 16000 + 16000 + 12000;
		return new Object[] {noise, text, small, times, values};
	}

	static Object references() {
		Object[] array = new Object[10000];
		for (int i = 0; i < array.length; i++) {
			array[i] = roots.isEmpty() ? null : roots.get(random.nextInt(roots.size()));
		}
		made += 4 * array.length;
		return array;
	}

	static void fill(long bytes) {
		for (int i = 0; i < words.length; i++) {
			words[i] = word('a', 26);
		}
		while (made < bytes) {
			roots.add(strings());
			roots.add(map());
			roots.add(tree());
			roots.add(arrays());
			roots.add(references());
		}
	}

	static void tick() {
		long last = System.nanoTime();
		for (;;) {
			try {
				Thread.sleep(1);
			} catch (InterruptedException e) {
				return;
			}
			long now = System.nanoTime();
			if (now - last >= GAP_NANOS) {
				System.out.println("gap " + (now - last) / 1000 / 1000.0);
			}
			last = now;
		}
	}

	public static void main(String[] args) throws Exception {
		for (String arg : args) {
			if (!arg.startsWith("fill=")) {
				throw new IllegalArgumentException(arg);
			}
			fill(Integer.parseInt(arg.substring(5)) * 1048576L);
		}
		System.gc();
		Thread ticker = new Thread("ticker") {
			@Override
			public void run() {
				tick();
			}
		};
		ticker.setDaemon(true);
		ticker.setPriority(Thread.MAX_PRIORITY);
		ticker.start();
		System.out.println("ready");
		for (long n = 1;; n++) {
			System.out.println("tick " + n);
			Thread.sleep(100);
		}
	}
}
