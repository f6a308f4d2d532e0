import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.management.ObjectName;

/**
 * A program that holds secrets in every place where a heap can hold them. None of them is a constant of
 * the code, an argument or a variable: letters() makes them, and tests/rig/find_secrets.py makes the same
 * to search for. Numbers are made of letters too, so that they read as text in a dump.
 *
 * Arguments: dump=FILE.hprof: write a dump of live objects (the program does it by itself) and end. Else it
 * says "ready" and counts on standard output ten times a second, as Checkout does.
 */
public final class Secrets {
	/** The same generator as in find_secrets.py. */
	static String letters(int seed, int n) {
		char[] text = new char[n];
		long x = seed;
		for (int i = 0; i < n; i++) {
			x = (x * 1103515245L + 12345L) & 0x7fffffffL;
			text[i] = (char) ('a' + (x >> 16) % 26);
		}
		return new String(text);
	}

	static long number(int seed) {
		long value = 0;
		for (char c : letters(seed, 8).toCharArray()) {
			value = value << 8 | c;
		}
		return value;
	}

	static class Account {
		final long pin = number(1);
		final byte small = 7;
	}

	/** Its own fields stand in front of those that it inherits. */
	static final class Vault extends Account {
		final boolean open = true;
		final Object next = new Object();
		final double combination = Double.longBitsToDouble(number(2));
		final String name = letters(3, 24);
		final String wide = letters(4, 24) + '\u0416';
	}

	static final String staticText = letters(5, 24);
	static final String staticWide = '\u4e2d' + letters(6, 24);
	static long staticNumber = number(7);
	static double staticDouble = Double.longBitsToDouble(number(8));
	static final Vault vault = new Vault();
	static final char[] chars = letters(9, 24).toCharArray();
	static final byte[] bytes = bytes(letters(10, 24));
	static final long[] longs = {0, number(11), 0};
	static final int[] ints = {(int) (number(12) >> 32), (int) number(12)};
	static final Map<String, Object> map = new HashMap<String, Object>();
	static final List<Object> list = new ArrayList<Object>();

	static byte[] bytes(String text) {
		byte[] result = new byte[text.length()];
		for (int i = 0; i < result.length; i++) {
			result[i] = (byte) text.charAt(i);
		}
		return result;
	}

	public static void main(String[] args) throws Exception {
		map.put(letters(13, 24), Long.valueOf(number(14)));
		for (int i = 0; i < 1000; i++) {
			list.add(new Account());
		}
		if (args.length == 1 && args[0].startsWith("dump=")) {
			ManagementFactory.getPlatformMBeanServer().invoke(
					new ObjectName("com.sun.management:type=HotSpotDiagnostic"), "dumpHeap",
					new Object[] {args[0].substring(5), Boolean.TRUE}, new String[] {"java.lang.String", "boolean"});
			System.out.println("ready");
			return;
		}
		System.out.println("ready");
		for (long n = 1;; n++) {
			System.out.println("tick " + n);
			Thread.sleep(100);
		}
	}
}
