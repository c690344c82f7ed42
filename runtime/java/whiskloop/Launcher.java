package whiskloop;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.TypeAdapter;
import com.google.gson.stream.JsonWriter;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.StringWriter;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;

/**
 * Loads an action once, then answers lines: runtime/README.md, The line protocol.
 *
 * <p>Launcher MAIN: activations come on descriptor 4, answers leave on 3. launch.sh arranges that,
 * because Java cannot. The action is on the class path.
 */
final class Launcher {
    private static final String READY = "{\"ok\":true,\"pipeline\":64,\"parts\":true,\"control\":true}\n";

    /** Keys that the platform, or the proxy from a client's headers, sends: these are always shown. */
    private static final Set<String> PLATFORM = Set.of("namespace", "action_name", "action_version",
            "activation_id", "transaction_id", "deadline", "api_host", "api_key", "traceparent", "tracestate");
    private static final int OTHERS_MAX = 256; // most other keys shown, as in every language
    private static final int KEY_MAX = 1024; // characters

    private final TypeAdapter<JsonElement> json = new Gson().getAdapter(JsonElement.class);
    private final Map<String, String> environment = writableEnvironment();
    private final Map<String, String> before = new HashMap<>(); // null: it was not set
    private final OutputStream answers;
    private final Lines lines;
    private final boolean sendsParts;
    private final Map<String, Function> functions = new LinkedHashMap<>(); // the first is the default
    private boolean isRunning; // read by the shutdown hook, whose thread starts later

    /** One function: a method for each kind of argument. */
    private static final class Function {
        private final Class<?> type;
        private final String name;
        private final Map<Class<?>, Method> methods = new HashMap<>();

        Function(Action action) throws ReflectiveOperationException {
            type = action.find(true);
            name = action.methodName;
            for (Class<?> kind : Action.KINDS) {
                methods.put(kind, Action.method(type, name, kind));
            }
        }
    }

    private Launcher(List<Action> actions, Lines lines, OutputStream answers, boolean sendsParts)
            throws ReflectiveOperationException {
        this.lines = lines;
        this.answers = answers;
        this.sendsParts = sendsParts;
        for (Action action : actions) {
            functions.put(action.methodName, new Function(action));
        }
    }

    public static void main(String[] args) throws Exception {
        String wait = System.getenv("__OW_WAIT_FOR_ACK");
        boolean waits = wait != null && !wait.isEmpty();

        // Text is UTF-8 in any locale, and each printed line reaches the log at once.
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8));
        try (OutputStream answers = new FileOutputStream("/proc/self/fd/3");
                InputStream lines = new FileInputStream("/proc/self/fd/4")) {
            Launcher launcher;

            try {
                launcher = new Launcher(Action.all(Launcher.class.getClassLoader(), args[0]),
                        new Lines(lines, waits), answers, waits);
            } catch (ReflectiveOperationException | LinkageError e) {
                e.printStackTrace();
                flush();
                System.exit(1);
                return;
            }
            Runtime.getRuntime().addShutdownHook(new Thread(launcher::explainExit));
            flush();
            if (waits) {
                answers.write(READY.getBytes(StandardCharsets.UTF_8));
            }
            launcher.serve();
        }
        System.exit(0); // do not wait for threads of the action
    }

    private void serve() throws IOException {
        for (byte[] line = lines.next(); line != null; line = lines.next()) {
            String answer;

            isRunning = true;
            try {
                answer = answer(new String(line, StandardCharsets.UTF_8));
            } catch (Throwable thrown) { // StackOverflowError, ThreadDeath, everything
                answer = failure(thrown);
            }
            flush();
            isRunning = false;
            write(answer);
        }
    }

    private void write(String answer) throws IOException {
        answers.write((answer + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private static void flush() {
        for (PrintStream log : new PrintStream[] {System.out, System.err}) {
            if (log != null) { // the action may have set it to null
                log.flush();
            }
        }
    }

    private static String error(String text) {
        JsonObject error = new JsonObject();

        error.addProperty("error", text);
        return error.toString();
    }

    /**
     * What the action threw is told by its message, as in Apache's runtime; what we threw, by its
     * class too.
     */
    private static String failure(Throwable thrown) {
        Throwable cause = Action.cause(thrown);

        try {
            if (System.err != null) {
                cause.printStackTrace();
            }
            return error(cause != thrown && cause.getMessage() != null ? cause.getMessage() : cause.toString());
        } catch (RuntimeException | Error inner) { // it fails to be text
            return error(cause.getClass().getName());
        }
    }

    private String answer(String text) throws Exception {
        JsonElement line;
        JsonElement argument;
        Function function;

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
        function = choose(line.getAsJsonObject());
        if (function == null) {
            return error("method not found: " + line.getAsJsonObject().get("method") + "; want "
                    + String.join(", ", functions.keySet()));
        }
        setEnvironment(line.getAsJsonObject());
        argument = line.getAsJsonObject().get("value");
        if (argument == null || argument.isJsonNull()) {
            argument = new JsonObject();
        }
        return call(function, argument);
    }

    /** The function that the member "method" names. */
    private Function choose(JsonObject line) {
        JsonElement method = line.get("method");

        if (functions.size() < 2 || method == null || method.isJsonNull()) {
            return functions.values().iterator().next();
        }
        if (!method.isJsonPrimitive() || !method.getAsJsonPrimitive().isString()
                || !functions.containsKey(method.getAsString())) {
            return null;
        }
        line.remove("method"); // it is not metadata
        return functions.get(method.getAsString());
    }

    private String call(Function function, JsonElement argument) throws Exception {
        Class<?> kind = argument.isJsonObject() ? JsonObject.class
                : argument.isJsonArray() ? JsonArray.class : JsonElement.class;
        Method method = function.methods.get(kind);
        boolean takesConsumer;
        Parts parts;
        Object result;

        if (method == null) {
            throw new NoSuchMethodException(function.type.getName() + "." + function.name + "(" + kind.getName() + ")");
        }
        takesConsumer = method.getParameterCount() == 2;
        parts = new Parts(this);
        try {
            result = takesConsumer ? method.invoke(null, argument, parts) : method.invoke(null, argument);
            if (parts.take(result) || result == null && takesConsumer) {
                return parts.end();
            }
            parts.close();
        } catch (Throwable thrown) {
            parts.close();
            if (Action.cause(thrown) instanceof CancellationException && lines.isCancelled()) {
                return error("the client has left");
            }
            throw thrown;
        }
        if (result == null) {
            System.err.println("the action returned null");
            return error("the action returned null");
        }
        if (!(result instanceof JsonElement)) {
            throw new ClassCastException("the action returned a " + result.getClass().getName()
                    + ", which is no JsonObject or JsonArray");
        }
        return json((JsonElement) result);
    }

    /** Valid JSON. toString() would write NaN and infinity. */
    String json(JsonElement element) throws IOException {
        StringWriter text = new StringWriter();

        json.write(new JsonWriter(text), element);
        return text.toString();
    }

    boolean hasProxy() {
        return sendsParts;
    }

    /** Sends a part. false: nobody receives parts, as in a shell. */
    boolean send(String part) throws IOException {
        if (sendsParts) {
            flush();
            write("+" + part);
            lines.lookAhead();
            if (lines.isCancelled()) {
                throw new CancellationException("the client has left");
            }
        }
        return sendsParts;
    }

    // ---- the environment, which Java lets nobody change ----

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

    /** Converts only the letters a to z, in any locale. */
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
     * The tests of Apache's Java runtime want an answer when an action calls System.exit(). This
     * sends one, and the process ends all the same: the next activation gets a new process. A
     * signal also runs this hook, but then nobody has called System.exit().
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
            return; // nobody reads the answer any more
        }
    }
}
