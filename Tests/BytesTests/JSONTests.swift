import Bytes
import Testing

@Suite struct JSONTests {
    @Test func `values are read as they are written`() {
        let text = #" {"a": [1, -2.5e1, true, false, null], "b": {"c": "x\"\\\/\n\u00e4\ud83e\udd89ü"}, "": ""} "#
        #expect(
            JSON(text)
                == .object([
                    "a": .array([.number(1), .number(-25), .bool(true), .bool(false), .null]),
                    "b": .object(["c": .string("x\"\\/\näü".replacing("ä", with: "ä🦉"))]), "": .string(""),
                ]))
        #expect(JSON("[]") == .array([]))
        #expect(JSON("{}")?["x"] == nil)
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\"}", "{\"a\":}", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "tru", "1 2", "nan", "'a'",
        "\"\u{1}\"",
    ])
    func `what is no document is refused`(text: String) {
        #expect(JSON(text) == nil)
    }

    @Test func `a document that is nested without end is refused`() {
        #expect(JSON(String(repeating: "[", count: 100_000)) == nil)
    }
}
