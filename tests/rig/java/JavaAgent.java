package io.prometheus.jmx;

import java.io.InputStream;
import java.lang.instrument.Instrumentation;

/**
 * Poses as the Prometheus JMX exporter, from whose class it has the name: it takes [HOST:]PORT:FILE, and does
 * what META-INF/deed in its jar says (see Naughty).
 */
public final class JavaAgent {
	static String deed() throws Exception {
		byte[] text = new byte[100];
		InputStream in = JavaAgent.class.getResourceAsStream("/META-INF/deed");
		try {
			return new String(text, 0, in.read(text), "ISO-8859-1");
		} finally {
			in.close();
		}
	}

	public static void agentmain(String options, Instrumentation instrumentation) throws Exception {
		String[] words = options.split(":");
		rig.Naughty.act(deed(), Integer.parseInt(words[words.length - 2]));
	}

	public static void premain(String options, Instrumentation instrumentation) throws Exception {
		agentmain(options, instrumentation);
	}
}
