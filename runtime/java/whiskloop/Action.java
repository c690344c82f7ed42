package whiskloop;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The user's class, found by the main of the /init: "Class", "package.Class" or "Class#method".
 *
 * <p>The method is public static and named main unless the /init names another. It takes a
 * JsonObject, a JsonArray (two methods may take both kinds) or a JsonElement, and optionally a
 * Consumer that takes parts of the answer.
 */
final class Action {
    static final Class<?>[] KINDS = {JsonObject.class, JsonArray.class, JsonElement.class};

    private final ClassLoader loader;
    final String className;
    final String methodName;

    Action(ClassLoader loader, String main) {
        int hash = main.indexOf('#');

        this.loader = loader;
        methodName = hash >= 0 && hash + 1 < main.length() ? main.substring(hash + 1) : "main";
        className = hash >= 0 ? main.substring(0, hash) : main;
    }

    /**
     * Whether a Mac added the file to its zip: then it is no source, class or jar, whatever its
     * name.
     */
    static boolean isOfMac(Path path) {
        return path.startsWith("__MACOSX") || path.getFileName().toString().startsWith("._");
    }

    /** The jars in the folder and in its lib/. */
    static List<Path> jars(Path folder) throws IOException {
        List<Path> found = new ArrayList<>();

        for (Path place : List.of(folder, folder.resolve("lib"))) {
            if (!Files.isDirectory(place)) {
                continue;
            }
            try (Stream<Path> files = Files.list(place)) {
                found.addAll(files.filter(file -> file.toString().endsWith(".jar")
                                && !isOfMac(folder.relativize(file))).sorted()
                        .collect(Collectors.toList()));
            }
        }
        return found;
    }

    /**
     * A look at what was just compiled. The class path of the launcher has the same folder and jars
     * (launch.sh).
     */
    static ClassLoader loader(Path folder) throws IOException {
        List<URL> urls = new ArrayList<>();

        urls.add(url(folder));
        for (Path jar : jars(folder)) {
            urls.add(url(jar));
        }
        return new URLClassLoader(urls.toArray(new URL[0]), Action.class.getClassLoader());
    }

    private static URL url(Path path) throws MalformedURLException {
        return path.toUri().toURL();
    }

    /** The same jars as a class path, for the compiler. */
    static String classPathText(Path folder) throws IOException {
        return Stream.concat(Stream.of(System.getProperty("java.class.path")),
                jars(folder).stream().map(Path::toString)).collect(Collectors.joining(File.pathSeparator));
    }

    /** The method for an argument of that kind; null if there is none. */
    static Method method(Class<?> type, String name, Class<?> kind) {
        Class<?>[][] lists = {{kind}, {kind, Consumer.class}, {JsonElement.class}, {JsonElement.class, Consumer.class}};

        for (Class<?>[] parameters : lists) {
            try {
                Method method = type.getMethod(name, parameters);

                if (Modifier.isStatic(method.getModifiers())) {
                    method.setAccessible(true); // the class itself need not be public
                    return method;
                }
            } catch (NoSuchMethodException e) {
                continue;
            }
        }
        return null;
    }

    /**
     * One method, or several: "Class", "Class#predict,train". In a list, a name without "#" is a
     * method of the class before it.
     */
    static List<Action> all(ClassLoader loader, String main) {
        List<Action> all = new ArrayList<>();

        for (String name : names(main)) {
            all.add(new Action(loader, name));
        }
        return all;
    }

    /** Each as "Class#method", if there are several. */
    static List<String> names(String main) {
        List<String> names = new ArrayList<>();
        String type = "Main";

        if (main.indexOf(',') < 0) {
            return List.of(main);
        }
        for (String name : main.split(",", -1)) {
            int hash = name.indexOf('#');

            if (hash >= 0) {
                type = name.substring(0, hash);
            }
            names.add(hash >= 0 ? name : type + "#" + name);
        }
        return names;
    }

    /** The class, if it has a method that can be called. Its static part runs only if asked to. */
    Class<?> find(boolean runs) throws ReflectiveOperationException {
        Class<?> type = Class.forName(className, runs, loader);

        for (Class<?> kind : KINDS) {
            if (method(type, methodName, kind) != null) {
                return type;
            }
        }
        throw new NoSuchMethodException(className + "." + methodName
                + "(com.google.gson.JsonObject), public and static" + found(type));
    }

    /** The methods of that name that do not fit, with the signatures that their author wrote. */
    private String found(Class<?> type) {
        String found = Stream.of(type.getDeclaredMethods()).filter(method -> method.getName().equals(methodName))
                .map(Method::toGenericString).sorted().collect(Collectors.joining(", "));

        return found.isEmpty() ? "" : "; found: " + found;
    }

    /** Whether the class has a method of that name, with any parameters. */
    boolean hasName() throws ReflectiveOperationException {
        return Stream.of(Class.forName(className, false, loader).getDeclaredMethods())
                .anyMatch(method -> method.getName().equals(methodName));
    }

    static Throwable cause(Throwable thrown) {
        return thrown instanceof InvocationTargetException && thrown.getCause() != null
                ? thrown.getCause() : thrown;
    }
}
