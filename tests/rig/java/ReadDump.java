import java.io.File;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.netbeans.lib.profiler.heap.Heap;
import org.netbeans.lib.profiler.heap.HeapFactory;
import org.netbeans.lib.profiler.heap.Instance;

/**
 * Reads a heap dump by a library that is not ours and prints its largest classes: instances, shallow
 * bytes, name. Arguments: FILE [N]; all classes without N. It fails when the library finds the file broken.
 */
public final class ReadDump {
	private static final class Row {
		String name;
		long count;
		long bytes;
	}

	public static void main(String[] args) throws Exception {
		Heap heap = HeapFactory.createHeap(new File(args[0]));
		Map<String, Row> rows = new HashMap<String, Row>();
		for (Instance instance : heap.getAllInstances()) {
			String name = instance.getJavaClass().getName();
			Row row = rows.get(name);
			if (row == null) {
				row = new Row();
				row.name = name;
				rows.put(name, row);
			}
			row.count++;
			row.bytes += instance.getSize();
		}
		if (rows.isEmpty()) {
			throw new IllegalStateException("no objects in " + args[0]);
		}
		List<Row> sorted = new ArrayList<Row>(rows.values());
		sorted.sort((a, b) -> a.bytes != b.bytes ? Long.compare(b.bytes, a.bytes) : a.name.compareTo(b.name));
		int limit = args.length > 1 ? Integer.parseInt(args[1]) : sorted.size();
		System.out.printf("%12s %14s  %s%n", "INSTANCES", "BYTES", "CLASS");
		for (Row row : sorted.subList(0, Math.min(limit, sorted.size()))) {
			System.out.printf("%12d %14d  %s%n", row.count, row.bytes, row.name);
		}
	}
}
