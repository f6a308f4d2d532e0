import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.instrument.Instrumentation;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import javax.management.ObjectName;

/**
 * What a real exporter does with a configuration, and what Java does with the texts in one. System.exit
 * is caught by a security manager and told.
 *
 * start JAR DIRECTORY    for each *.yaml in it: name, tab, what came of the agent's start and of a scrape:
 *                        ok, scrape (a scrape fails), throws, exit
 * load JAR DIRECTORY     the configuration is only read: ok or throws
 * reload JAR GOOD BAD    an agent with GOOD, which then is replaced by BAD: the same words
 * beside CONFIG          what the agent on the class path does beside a program that uses its library, too
 * regex, object-name     for each line of standard input: "ok GROUPS", or "no"
 * replacement REGEX TEXT for each line: does it replace what REGEX matches in TEXT?
 */
public class ExporterJudge {
	static volatile boolean exited;
	static volatile boolean over;

	static class Exit extends SecurityException {
	}

	@SuppressWarnings({"removal", "deprecation"})
	static void catchExit() {
		System.setSecurityManager(new SecurityManager() {
			@Override
			public void checkExit(int status) {
				if (over)
					return;
				exited = true;
				throw new Exit();
			}

			@Override
			public void checkPermission(java.security.Permission p) {
			}
		});
	}

	static URLClassLoader loader(String jar) throws Exception {
		return new URLClassLoader(new URL[] {new File(jar).toURI().toURL()},
				ClassLoader.getSystemClassLoader().getParent());
	}

	static String agentClass(String jar) throws Exception {
		try (JarFile file = new JarFile(jar)) {
			Attributes main = file.getManifest().getMainAttributes();
			String name = main.getValue("Agent-Class");
			return name != null ? name : main.getValue("Premain-Class");
		}
	}

	/** An agent that was started; of its own class loader, because it can be started only once. */
	static class Agent implements AutoCloseable {
		final Class<?> type;
		com.sun.net.httpserver.HttpServer server;

		Agent(String jar) throws Exception {
			type = loader(jar).loadClass(agentClass(jar));
		}

		String start(File config) throws Exception {
			exited = false;
			try {
				type.getMethod("premain", String.class, Instrumentation.class)
						.invoke(null, "127.0.0.1:0:" + config, null);
			} catch (InvocationTargetException e) {
				return exited ? "exit" : "throws";
			}
			server = server();
			return "ok";
		}

		com.sun.net.httpserver.HttpServer server() throws Exception {
			for (Field outer : type.getDeclaredFields()) {
				if (!outer.getType().getSimpleName().equals("HTTPServer"))
					continue;
				outer.setAccessible(true);
				Field inner = outer.getType().getDeclaredField("server");
				inner.setAccessible(true);
				return (com.sun.net.httpserver.HttpServer) inner.get(outer.get(null));
			}
			throw new IllegalStateException("no server");
		}

		String scrape() {
			try {
				HttpURLConnection http = (HttpURLConnection) new URL("http", "127.0.0.1",
						server.getAddress().getPort(), "/metrics").openConnection();
				http.setConnectTimeout(20000);
				http.setReadTimeout(20000);
				ByteArrayOutputStream page = new ByteArrayOutputStream();
				try (InputStream in = http.getInputStream()) {
					byte[] room = new byte[65536];
					for (int n; (n = in.read(room)) > 0;)
						page.write(room, 0, n);
				}
				if (exited)
					return "exit";
				return page.toString("UTF-8").contains("\njmx_scrape_error 0.0\n") ? "ok" : "scrape";
			} catch (Exception e) {
				return exited ? "exit" : "scrape";
			}
		}

		@Override
		public void close() {
			if (server != null)
				server.stop(0);
		}
	}

	static String start(String jar, File config) throws Exception {
		try (Agent agent = new Agent(jar)) {
			String result = agent.start(config);
			/* 1.0 tells of an error at the next scrape */
			int scrapes = jar.contains("1.0.1") ? 2 : 1;
			for (int i = 0; i < scrapes && result.equals("ok"); i++)
				result = agent.scrape();
			return result;
		}
	}

	static String reload(String jar, File good, File bad) throws Exception {
		File file = File.createTempFile("reload", ".yaml");
		Files.write(file.toPath(), Files.readAllBytes(good.toPath()));
		file.setLastModified(1000000000000L);
		try (Agent agent = new Agent(jar)) {
			String result = agent.start(file);
			if (result.equals("ok"))
				result = agent.scrape();
			if (!result.equals("ok"))
				return "not even before: " + result;
			Files.write(file.toPath(), Files.readAllBytes(bad.toPath()));
			file.setLastModified(1000000002000L);
			agent.scrape();
			return agent.scrape();
		} finally {
			file.delete();
		}
	}

	static String beside(String config) throws Exception {
		Object metrics = Class.forName("io.prometheus.metrics.instrumentation.jvm.JvmMetrics")
				.getMethod("builder").invoke(null);
		metrics.getClass().getMethod("register").invoke(metrics);
		try {
			Class.forName("io.prometheus.jmx.JavaAgent")
					.getMethod("premain", String.class, Instrumentation.class)
					.invoke(null, "127.0.0.1:0:" + config, null);
		} catch (InvocationTargetException e) {
			return exited ? "exit" : "throws";
		}
		return "ok";
	}

	static void load(String jar, File[] files, PrintStream out) throws Exception {
		String name = agentClass(jar).replaceFirst("JavaAgent$", "JmxCollector");
		Constructor<?> collector = loader(jar).loadClass(name).getConstructor(File.class);
		for (File file : files) {
			String result = "ok";
			try {
				collector.newInstance(file);
			} catch (InvocationTargetException e) {
				result = "throws";
			}
			out.println(file.getName() + "\t" + result);
		}
	}

	static String line(String[] args, String line) {
		try {
			switch (args[0]) {
			case "regex":
				return "ok " + Pattern.compile("^.*(?:" + line + ").*$").matcher("").groupCount();
			case "object-name":
				new ObjectName(line);
				return "ok";
			default:
				Pattern.compile(args[1]).matcher(args[2]).replaceAll(line);
				return "ok";
			}
		} catch (Exception | StackOverflowError e) {
			return "no";
		}
	}

	static void lines(String[] args, PrintStream out) throws Exception {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
		for (String line; (line = in.readLine()) != null;)
			out.println(line(args, line));
	}

	static File[] configs(String directory) {
		File[] files = new File(directory).listFiles((dir, name) -> name.endsWith(".yaml"));
		Arrays.sort(files);
		return files;
	}

	public static void main(String[] args) {
		PrintStream err = System.err;
		try {
			judge(args);
		} catch (Throwable e) {
			e.printStackTrace(err);
			over = true;
			Runtime.getRuntime().halt(2);
		}
	}

	static void judge(String[] args) throws Exception {
		PrintStream out = new PrintStream(System.out, false, "UTF-8");
		if (args[0].matches("start|load|reload|beside")) {
			catchExit();
			System.setErr(new PrintStream(new OutputStream() {
				@Override
				public void write(int b) {
				}
			}));
			java.util.logging.LogManager.getLogManager().reset();
		}
		if (args[0].equals("start"))
			for (File file : configs(args[2]))
				out.println(file.getName() + "\t" + start(args[1], file));
		else if (args[0].equals("load"))
			load(args[1], configs(args[2]), out);
		else if (args[0].equals("beside"))
			out.println(beside(args[1]));
		else if (args[0].equals("reload"))
			out.println(reload(args[1], new File(args[2]), new File(args[3])));
		else
			lines(args, out);
		out.flush();
		over = true;
		Runtime.getRuntime().halt(out.checkError() ? 1 : 0);
	}
}
