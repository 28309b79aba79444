import ObjfsCommands
import Testing

@Suite struct TerminalTextTests {
    @Test(arguments: [
        ("a\u{1B}[31mb", "a\\x1b[31mb"), ("a\nb", "a\\nb"), ("tab\t", "tab\\t"), ("\u{9B}2J", "\\xc2\\x9b2J"),
        ("\u{202E}txt.exe", "\\xe2\\x80\\xaetxt.exe"), ("Zürich 東京 'x'", "Zürich 東京 'x'"),
    ])
    func `X4: what would steer a terminal is spelled out, and nothing else`(name: String, shown: String) {
        #expect(TerminalText.visible(name) == shown)
    }
}
