import Storage
import Testing

@Suite struct KeyGlobTests {
    @Test(arguments: [
        ("*.csv", "a.csv"), ("*.csv", ".csv"), ("a/*/c", "a/b/c"), ("**", "a/b/c"), ("**/*.csv", "a/b/c.csv"),
        ("**/*.csv", "c.csv"), ("a/**/z", "a/z"), ("a/**/z", "a/b/c/z"), ("a?c", "abc"), ("[a-c]x", "bx"),
        ("[!a-c]x", "dx"), ("[]]", "]"), ("a*b*c", "aXbYbZc"), ("日*", "日本"), ("a[", "a["), ("*a*/b", "xa/b"),
        ("**a/*b", "q/a/xb"),
    ])
    func `a key matches`(pattern: String, key: String) {
        #expect(KeyGlob(pattern).matches(key))
    }

    @Test(arguments: [
        ("*.csv", "a/b.csv"), ("a?c", "a/c"), ("a", "ab"), ("ab", "a"), ("[a-c]x", "dx"), ("[!a]", "/"), ("", "a"),
        ("a/*/c", "a/c"), ("**/x", "ax"), ("*", "a/b"), ("a/**/z", "az"),
    ])
    func `a key does not match`(pattern: String, key: String) {
        #expect(!KeyGlob(pattern).matches(key))
    }

    @Test func `a pattern of many stars does not take for ever`() {
        let pattern = String(repeating: "*a", count: 30) + "b"
        #expect(!KeyGlob(pattern).matches(String(repeating: "a", count: 200)))
    }
}
