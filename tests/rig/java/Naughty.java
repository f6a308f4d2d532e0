package rig;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.instrument.Instrumentation;
import java.lang.reflect.Field;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * An agent that does what it is told by its options, and says so on standard output ("agent: DEED").
 *
 *	return           nothing; also without options
 *	throw            agentmain throws
 *	error            it throws an Error
 *	exit=N, halt=N   the JVM ends with that status, with and without its shutdown hooks
 *	crash            the JVM reads from address 0
 *	hang, hang=MS    agentmain does not come back, for so long
 *	serve=PORT,PAGE  an HTTP server on that port, see Page
 *
 * What stands behind a colon is no deed and not printed: return:SECRET.
 */
public final class Naughty {
	/** What the server answers, whatever it is asked for. */
	static final class Page extends Thread {
		static final String TEXT = "text/plain; version=0.0.4; charset=utf-8";
		static final String GOOD = "# HELP jmx_exporter_build_info A metric with a constant '1' value.\n"
				+ "# TYPE jmx_exporter_build_info gauge\n"
				+ "jmx_exporter_build_info{name=\"jmx_prometheus_javaagent\",version=\"1.0.1\"} 1\n"
				+ "# HELP jmx_scrape_error Non-zero if this scrape failed.\n"
				+ "# TYPE jmx_scrape_error gauge\n"
				+ "jmx_scrape_error 0.0\n"
				+ "# TYPE jvm_threads_current gauge\n"
				+ "jvm_threads_current 12.0\n"
				+ "# TYPE jmx_config_reload_success counter\n"
				+ "jmx_config_reload_success_total 0.0\n";

		static final AtomicInteger refused = new AtomicInteger();

		final ServerSocket server;
		final Socket client;
		final String page;

		Page(ServerSocket server, Socket client, String page) {
			super("page " + page);
			this.server = server;
			this.client = client;
			this.page = page;
			setDaemon(true);
		}

		/** One of these without a client takes them, each with one answers it. */
		@Override
		public void run() {
			try {
				while (client == null) {
					new Page(server, server.accept(), page).start();
				}
				try {
					answer();
				} finally {
					client.close();
				}
			} catch (IOException e) {
				// it has gone
			} catch (InterruptedException e) {
				// nobody does that
			}
		}

		void readRequest() throws IOException {
			InputStream in = client.getInputStream();
			for (int state = 0, c; state < 4 && (c = in.read()) >= 0;) {
				state = c == "\r\n\r\n".charAt(state) ? state + 1 : c == '\r' ? 1 : 0;
			}
		}

		void send(String text) throws IOException {
			client.getOutputStream().write(text.getBytes("ISO-8859-1"));
		}

		void send(String status, String type, String headers, String body) throws IOException {
			send("HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nConnection: close\r\n" + headers
					+ "Content-Length: " + body.length() + "\r\n\r\n" + body);
		}

		/** 1 GB of lines that are right, without saying how long it is. */
		void huge() throws IOException {
			StringBuilder lines = new StringBuilder();
			for (int i = 0; lines.length() < 1 << 20; i++) {
				lines.append("huge_total{of=\"").append(i).append("\"} 1\n");
			}
			byte[] block = lines.toString().getBytes("ISO-8859-1");
			OutputStream out = client.getOutputStream();
			send("HTTP/1.1 200 OK\r\nContent-Type: " + TEXT + "\r\nConnection: close\r\n\r\n");
			for (int i = 0; i < 1024; i++) {
				out.write(block);
			}
		}

		void answer() throws IOException, InterruptedException {
			if (page.equals("close")) { // not even the request is read
				return;
			}
			readRequest();
			if (page.equals("hang")) {
				Thread.sleep(Long.MAX_VALUE);
			} else if (page.equals("stall")) { // a beginning, and nothing more
				send("HTTP/1.1 200 OK\r\nContent-Type: " + TEXT + "\r\nContent-Length: 1000\r\n\r\njvm_a 1\n");
				Thread.sleep(Long.MAX_VALUE);
			} else if (page.equals("drip")) { // it never ends, and is never silent for long
				send("HTTP/1.1 200 OK\r\nContent-Type: " + TEXT + "\r\n\r\n");
				for (;;) {
					send("jvm_a 1\n");
					Thread.sleep(200);
				}
			} else if (page.equals("huge")) {
				huge();
			} else if (page.equals("lies")) { // it says 1 GB, and ends
				send("HTTP/1.1 200 OK\r\nContent-Type: " + TEXT + "\r\nContent-Length: 1073741824\r\n\r\njvm_a 1\n");
			} else if (page.equals("junk")) { // no format, and an escape sequence
				send("200 OK", TEXT, "", "\u001b]0;owned\u0007\u001b[2Jthis is 100 % not Prometheus text\r\n::error::x\n");
			} else if (page.equals("html")) {
				send("200 OK", "text/html", "", "<html><body>It works!</body></html>\n");
			} else if (page.equals("empty")) {
				send("200 OK", TEXT, "", "");
			} else if (page.equals("error")) {
				send("500 Internal Server Error", "text/plain", "", "java.lang.NullPointerException\n");
			} else if (page.equals("other")) { // of another library
				send("200 OK", TEXT, "", "# TYPE jvm_threads_live_threads gauge\njvm_threads_live_threads 12.0\n");
			} else if (page.equals("redirect")) {
				send("302 Found", "text/plain", "Location: http://169.254.169.254/metrics\r\n", "");
			} else if (page.equals("failing")) { // a scrape that failed, as the exporter says it
				send("200 OK", TEXT, "", GOOD.replace("jmx_scrape_error 0.0", "jmx_scrape_error 1.0"));
			} else if (page.equals("refuses")) { // each time it tries to read its configuration again
				send("200 OK", TEXT, "", GOOD + "# TYPE jmx_config_reload_failure counter\n"
						+ "jmx_config_reload_failure_total " + refused.incrementAndGet() + ".0\n");
			} else {
				send("200 OK", TEXT, "", GOOD);
			}
		}
	}

	static void crash() throws Exception {
		Field field = Class.forName("sun.misc.Unsafe").getDeclaredField("theUnsafe");
		field.setAccessible(true);
		Object unsafe = field.get(null);
		unsafe.getClass().getMethod("getLong", long.class).invoke(unsafe, 0L);
	}

	/** word: the deed, as above. port: of its server, or 0 when the deed has it. */
	public static void act(String word, int port) throws Exception {
		int equals = word.indexOf('=');
		String deed = equals < 0 ? word : word.substring(0, equals);
		String value = equals < 0 ? "" : word.substring(equals + 1);
		System.out.println("agent: " + deed);
		if (deed.equals("throw")) {
			throw new IllegalStateException("naughty");
		} else if (deed.equals("error")) {
			throw new NoClassDefFoundError("naughty");
		} else if (deed.equals("exit")) {
			System.exit(Integer.parseInt(value));
		} else if (deed.equals("halt")) {
			Runtime.getRuntime().halt(Integer.parseInt(value));
		} else if (deed.equals("crash")) {
			crash();
		} else if (deed.equals("hang")) {
			Thread.sleep(value.isEmpty() ? Long.MAX_VALUE : Long.parseLong(value));
		} else if (deed.equals("serve")) {
			int comma = value.indexOf(',');
			int own = port != 0 ? port : Integer.parseInt(comma < 0 ? value : value.substring(0, comma));
			new Page(new ServerSocket(own), null, comma < 0 ? "good" : value.substring(comma + 1)).start();
		}
	}

	public static void agentmain(String options, Instrumentation instrumentation) throws Exception {
		String word = options == null ? "" : options;
		int colon = word.indexOf(':');
		word = colon < 0 ? word : word.substring(0, colon);
		act(word.isEmpty() ? "return" : word, 0);
	}

	public static void premain(String options, Instrumentation instrumentation) throws Exception {
		agentmain(options, instrumentation);
	}
}
