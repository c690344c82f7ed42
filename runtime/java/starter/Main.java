import com.google.gson.JsonObject;

public class Main {
    public static JsonObject main(JsonObject args) {
        String name = args.has("name") ? args.get("name").getAsString() : "World";
        JsonObject answer = new JsonObject();

        System.out.println("greeting " + name);
        answer.addProperty("greeting", "Hello, " + name + "!");
        return answer;
    }
}
