/**
 * A system class loader (-Djava.system.class.loader=OwnLoader) that lets no agent be put on the class path: it has
 * no appendToClassPathForInstrumentation.
 */
public class OwnLoader extends ClassLoader {
	public OwnLoader(ClassLoader parent) {
		super(parent);
	}
}
