package whiskloop;

import java.io.DataInputStream;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;

/**
 * Runs once for each /init: compiles the source in a folder to classes, and checks that the
 * action's class is there.
 *
 * <p>Compile MAIN FOLDER: the sources are in FOLDER, and the classes go there, too. Prints the name
 * of the class, and of its method if one was named.
 */
final class Compile {
    private static final int FOR_CLIENT = 3; // exit status: the message is for the reply, too
    private static final int NAMES_MAX = 8; // most classes named in a message
    private static final int CLASS_MAGIC = 0xcafebabe;

    /** A source file of any name: a single source comes with a name that we gave it. */
    private static final class Source extends SimpleJavaFileObject {
        private final Path path;
        private final boolean isAlone;

        Source(Path folder, Path path, boolean isAlone) {
            super(URI.create("file:///" + folder.relativize(path).toString().replace(' ', '_')), Kind.SOURCE);
            this.path = path;
            this.isAlone = isAlone;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreErrors) throws IOException {
            return new String(Files.readAllBytes(path), StandardCharsets.UTF_8);
        }

        @Override
        public boolean isNameCompatible(String name, Kind kind) {
            return isAlone || super.isNameCompatible(name, kind);
        }

        @Override
        public String getName() {
            return path.getFileName().toString();
        }
    }

    private Compile() {}

    public static void main(String[] args) throws Exception {
        String main = args[0].replaceAll(" *, *", ",");
        boolean isNamed = !main.isEmpty() && !main.equals("main");
        Path folder = Path.of(args[1]).toRealPath();

        if (!isName(main)) {
            fail("main: \"" + main + "\" is no name of a Java class");
        }
        moveClass(folder);
        takeReleases(folder);
        if (files(folder, ".java").isEmpty() && files(folder, ".class").isEmpty() && Action.jars(folder).isEmpty()) {
            fail("Zip file does not include Main.java, or any other source, class or jar");
        }
        compile(folder);
        if (!isNamed) {
            main = only(folder, "");
        } else if (main.indexOf(',') >= 0 && main.indexOf('#') < 0) {
            main = only(folder, "#" + main.substring(0, main.indexOf(','))) + "#" + main;
        }
        try {
            for (Action action : Action.all(Action.loader(folder), main)) {
                action.find(false);
            }
        } catch (ReflectiveOperationException | LinkageError e) {
            // The tests of Apache's Java runtime want these words, in the reply to a client that
            // named the class.
            System.err.println("Exception in thread \"main\" " + e + (isNamed ? "" : choice(folder)));
            System.exit(isNamed ? FOR_CLIENT : 1);
        }
        System.out.println(main);
    }

    private static void fail(String why) {
        System.err.println(why);
        System.exit(1);
    }

    /** Refuses only characters that would break the script. The class is looked for later. */
    private static boolean isName(String main) {
        return main.chars().allMatch(c -> c > ' ' && c != '\'' && c != '/' && c != '\\');
    }

    private static List<Path> files(Path folder, String suffix) throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            return all.filter(file -> file.toString().endsWith(suffix) && Files.isRegularFile(file)
                            && !folder.relativize(file).startsWith("META-INF") && !Action.isOfMac(folder.relativize(file)))
                    .sorted().collect(Collectors.toList());
        }
    }

    /** A single class was stored as source. Its own bytes hold its name. */
    private static void moveClass(Path folder) throws IOException {
        Path path = folder.resolve("Main.java");
        byte[] bytes;
        Path target;

        if (!Files.isRegularFile(path)) {
            return;
        }
        try (DataInputStream in = new DataInputStream(Files.newInputStream(path))) {
            if (Files.size(path) < 4 || in.readInt() != CLASS_MAGIC) {
                return;
            }
        }
        bytes = Files.readAllBytes(path);
        target = folder.resolve(new ClassLoader(Action.class.getClassLoader()) {
            String name() {
                return defineClass(null, bytes, 0, bytes.length).getName();
            }
        }.name().replace('.', '/') + ".class");
        Files.createDirectories(target.getParent());
        Files.move(path, target);
    }

    /**
     * The virtual machine chooses among the releases in META-INF/versions of a jar that says
     * Multi-Release, but not in a folder. Puts those for this Java where the class path has them.
     */
    private static void takeReleases(Path folder) throws IOException {
        Path manifest = folder.resolve("META-INF/MANIFEST.MF");

        if (!Files.isRegularFile(manifest)) {
            return;
        }
        try (Stream<String> lines = Files.lines(manifest, StandardCharsets.ISO_8859_1)) {
            if (lines.takeWhile(line -> !line.isEmpty())
                    .noneMatch(line -> line.trim().equalsIgnoreCase("Multi-Release: true"))) {
                return;
            }
        }
        for (int release = 9; release <= Runtime.version().feature(); release++) {
            Path versions = folder.resolve("META-INF/versions/" + release);

            if (!Files.isDirectory(versions)) {
                continue;
            }
            for (Path file : files(versions, "")) {
                Path target = folder.resolve(versions.relativize(file));

                Files.createDirectories(target.getParent());
                Files.move(file, target, StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    /**
     * Whether this is a jar with a class for each source: its sources may need more to compile than
     * is there.
     */
    private static boolean isBuiltJar(Path folder, List<Path> sources) {
        return Files.isRegularFile(folder.resolve("META-INF/MANIFEST.MF")) && sources.stream().allMatch((path) -> {
            String name = path.getFileName().toString().replace(".java", ".class");

            return name.endsWith("-info.class") || Files.isRegularFile(path.resolveSibling(name));
        });
    }

    private static void compile(Path folder) throws IOException {
        List<Path> paths = files(folder, ".java");
        List<JavaFileObject> sources = new ArrayList<>();
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();

        if (paths.isEmpty() || isBuiltJar(folder, paths)) {
            return;
        }
        if (compiler == null) {
            fail("this Java has no compiler; source needs a JDK (Debian package openjdk-17-jdk-headless)");
        }
        for (Path path : paths) {
            sources.add(new Source(folder, path, paths.size() == 1));
        }
        if (!compiler.getTask(null, null, null, List.of("-d", folder.toString(), "-proc:none",
                "-encoding", "UTF-8", "-classpath", Action.classPathText(folder) + File.pathSeparator + folder,
                "-Xmaxerrs", "20", "-nowarn"), null, sources).call()) {
            System.exit(1);
        }
    }

    /** The names of the top-level classes. */
    private static List<String> topLevel(Path folder) throws IOException {
        List<String> names = new ArrayList<>();

        for (Path file : files(folder, ".class")) {
            String name = folder.relativize(file).toString().replace('/', '.');

            if (name.indexOf('$') < 0) {
                names.add(name.substring(0, name.length() - ".class".length()));
            }
        }
        return names;
    }

    /**
     * The class when nobody named one: Main, else the only top-level class that fits. For the error
     * message, else the only one with a method of that name. method: "" or "#" and its name.
     */
    private static String only(Path folder, String method) throws IOException {
        ClassLoader loader = Action.loader(folder);
        List<String> all = topLevel(folder);
        List<String> found = new ArrayList<>();
        List<String> named;

        for (String name : all) {
            try {
                new Action(loader, name + method).find(false);
                found.add(name);
            } catch (ReflectiveOperationException | LinkageError e) {
                continue;
            }
        }
        if (found.isEmpty() && !all.contains("Main")) {
            named = named(folder, method);
            return named.size() == 1 ? named.get(0) : "Main";
        }
        return found.size() == 1 ? found.get(0) : "Main";
    }

    /** The top-level classes that have a method of that name. */
    private static List<String> named(Path folder, String method) throws IOException {
        ClassLoader loader = Action.loader(folder);
        List<String> names = new ArrayList<>();

        for (String name : topLevel(folder)) {
            try {
                if (new Action(loader, name + method).hasName()) {
                    names.add(name);
                }
            } catch (ReflectiveOperationException | LinkageError e) {
                continue;
            }
        }
        return names;
    }

    /**
     * A hint: the classes to choose from if there are several, or the classes if none has a main.
     */
    private static String choice(Path folder) throws IOException {
        List<String> names = named(folder, "");
        List<String> all = topLevel(folder);

        if (names.isEmpty()) {
            return all.isEmpty() ? "" : "; no class has a method main; there are: " + list(all);
        }
        return names.size() < 2 ? "" : "; name one of the classes with a method main: " + list(names);
    }

    private static String list(List<String> names) {
        return String.join(", ", names.subList(0, Math.min(names.size(), NAMES_MAX)));
    }
}
