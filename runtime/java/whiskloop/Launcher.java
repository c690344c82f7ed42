package whiskloop;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.TypeAdapter;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Loads an action once, then answers lines: runtime/README.md, The line protocol.
 *
 * <p>Launcher FOLDER MAIN: activations come on descriptor 4, answers leave on 3; launch.sh has
 * arranged that, as Java cannot.
 */
final class Launcher {
    private static final String READY = "{\"ok\":true,\"pipeline\":64}\n";

    /** Keys that the platform, or the proxy from a client's headers, sends: these are always shown. */
    private static final Set<String> PLATFORM = Set.of("namespace", "action_name", "action_version",
            "activation_id", "transaction_id", "deadline", "api_host", "api_key", "traceparent", "tracestate");
    private static final int OTHERS_MAX = 256; // and so many others, as in every language
    private static final int KEY_MAX = 1024; // characters

    private final TypeAdapter<JsonElement> json = new Gson().getAdapter(JsonElement.class);
    private final Map<String, String> environment = writableEnvironment();
    private final Map<String, String> before = new HashMap<>(); // null: it was not there
    private final OutputStream answers;
    private final Class<?> type;
    private final String methodName;
    private final Map<Class<?>, Method> methods = new HashMap<>();
    private final byte[] bytes = new byte[1 << 16]; // what was read
    private int nextByte;
    private int endOfBytes;
    private boolean isRunning; // read by the hook, in a thread that starts afterwards

    private Launcher(Action action, OutputStream answers) throws ReflectiveOperationException {
        this.answers = answers;
        methodName = action.methodName;
        Thread.currentThread().setContextClassLoader(action.loader);
        type = action.find(true);
        for (Class<?> kind : Action.KINDS) {
            methods.put(kind, Action.method(type, methodName, kind));
        }
    }

    public static void main(String[] args) throws Exception {
        String wait = System.getenv("__OW_WAIT_FOR_ACK");

        // Text is UTF-8 in any locale, and each printed line is in the log at once.
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8));
        try (OutputStream answers = new FileOutputStream("/proc/self/fd/3");
                InputStream lines = new FileInputStream("/proc/self/fd/4")) {
            Launcher launcher;

            try {
                launcher = new Launcher(new Action(Path.of(args[0]), args[1]), answers);
            } catch (ReflectiveOperationException | LinkageError e) {
                e.printStackTrace();
                flush();
                System.exit(1);
                return;
            }
            Runtime.getRuntime().addShutdownHook(new Thread(launcher::explainExit));
            flush();
            if (wait != null && !wait.isEmpty()) {
                answers.write(READY.getBytes(StandardCharsets.UTF_8));
            }
            launcher.serve(lines);
        }
        System.exit(0); // threads of the action do not hold us back
    }

    private void serve(InputStream lines) throws IOException {
        for (byte[] line = read(lines); line != null; line = read(lines)) {
            String answer;

            isRunning = true;
            try {
                answer = answer(new String(line, StandardCharsets.UTF_8));
            } catch (Throwable thrown) { // StackOverflowError, ThreadDeath, everything
                answer = failure(Action.cause(thrown));
            }
            flush();
            isRunning = false;
            write(answer);
        }
    }

    /** One line without its end; null at the end of all. */
    private byte[] read(InputStream lines) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(1024);

        for (;;) {
            int from = nextByte;

            while (nextByte < endOfBytes && bytes[nextByte] != '\n') {
                nextByte++;
            }
            line.write(bytes, from, nextByte - from);
            if (nextByte < endOfBytes) {
                nextByte++; // the newline
                return line.toByteArray();
            }
            nextByte = 0;
            endOfBytes = Math.max(lines.read(bytes), 0);
            if (endOfBytes == 0) {
                return line.size() > 0 ? line.toByteArray() : null;
            }
        }
    }

    private void write(String answer) throws IOException {
        answers.write((answer + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private static void flush() {
        System.out.flush();
        System.err.flush();
    }

    private static String error(String text) {
        JsonObject error = new JsonObject();

        error.addProperty("error", text);
        return error.toString();
    }

    private static String failure(Throwable thrown) {
        thrown.printStackTrace();
        return error(thrown.toString());
    }

    private String answer(String text) throws Exception {
        JsonElement line;
        JsonElement argument;
        JsonElement result;

        try {
            line = json.fromJson(text);
        } catch (RuntimeException | IOException e) {
            return error("the line is no JSON: " + e.getMessage());
        }
        if (line == null || line.isJsonNull()) {
            line = new JsonObject();
        }
        if (!line.isJsonObject()) {
            return error("the line is no JSON object");
        }
        setEnvironment(line.getAsJsonObject());
        argument = line.getAsJsonObject().get("value");
        if (argument == null || argument.isJsonNull()) {
            argument = new JsonObject();
        }
        result = call(argument);
        if (result == null) {
            System.err.println("the action returned null");
            return error("the action returned null");
        }
        return result.toString();
    }

    private JsonElement call(JsonElement argument) throws Exception {
        Class<?> kind = argument.isJsonObject() ? JsonObject.class
                : argument.isJsonArray() ? JsonArray.class : JsonElement.class;
        Method method = methods.get(kind);
        Object result;

        if (method == null) {
            throw new NoSuchMethodException(type.getName() + "." + methodName + "(" + kind.getName() + ")");
        }
        result = method.invoke(null, argument);
        if (result != null && !(result instanceof JsonElement)) {
            throw new ClassCastException("the action returned a " + result.getClass().getName()
                    + ", which is no JsonObject or JsonArray");
        }
        return (JsonElement) result;
    }

    // ---- the environment, which Java does not let anybody change ----

    @SuppressWarnings("unchecked")
    private static Map<String, String> writableEnvironment() {
        Map<String, String> environment = System.getenv();

        try {
            Field inside = environment.getClass().getDeclaredField("m");

            inside.setAccessible(true); // launch.sh opens java.util to us
            return (Map<String, String>) inside.get(environment);
        } catch (ReflectiveOperationException | RuntimeException e) {
            System.err.println("the environment cannot be set: " + e);
            return new HashMap<>();
        }
    }

    private static String text(JsonElement value) {
        if (value.isJsonNull()) {
            return "";
        }
        return value.isJsonPrimitive() ? value.getAsString() : value.toString();
    }

    private void setEnvironment(JsonObject line) {
        Map<String, String> wanted = new TreeMap<>();
        int others = 0;

        for (Map.Entry<String, JsonElement> member : line.entrySet()) {
            String key = member.getKey();
            String name;
            String value;

            if (key.equals("value") || key.length() > KEY_MAX || !PLATFORM.contains(key) && others++ >= OTHERS_MAX) {
                continue;
            }
            name = "__OW_" + upper(key);
            value = text(member.getValue());
            if (name.indexOf('=') < 0 && name.indexOf('\0') < 0
                    && value.indexOf('\0') < 0) {
                wanted.put(name, value);
            }
        }
        for (String name : before.keySet().toArray(new String[0])) {
            if (!wanted.containsKey(name)) {
                put(name, before.remove(name));
            }
        }
        for (Map.Entry<String, String> variable : wanted.entrySet()) {
            if (!before.containsKey(variable.getKey())) {
                before.put(variable.getKey(), environment.get(variable.getKey()));
            }
            put(variable.getKey(), variable.getValue());
        }
    }

    private void put(String name, String value) {
        if (value != null) {
            environment.put(name, value);
        } else {
            environment.remove(name);
        }
    }

    /** The letters a to z only, in any locale. */
    private static String upper(String text) {
        StringBuilder upper = new StringBuilder(text);

        for (int i = 0; i < upper.length(); i++) {
            char c = upper.charAt(i);

            if (c >= 'a' && c <= 'z') {
                upper.setCharAt(i, (char) (c - 'a' + 'A'));
            }
        }
        return upper.toString();
    }

    // ---- System.exit() ----

    /**
     * The suite of Java wants an answer when an action calls System.exit(). It has one, and the
     * process ends all the same: the next activation has a new one. A signal also comes here; then
     * nobody has called.
     */
    private void explainExit() {
        boolean called = Thread.getAllStackTraces().values().stream().flatMap(Arrays::stream)
                .anyMatch(frame -> frame.getClassName().equals("java.lang.Runtime")
                        && frame.getMethodName().equals("exit"));

        if (!isRunning || !called) {
            return;
        }
        System.err.println("the action called system.exit, which ends the process");
        flush();
        try {
            write(error("the action called System.exit"));
        } catch (IOException e) {
            return; // there is nobody left to tell
        }
    }
}
