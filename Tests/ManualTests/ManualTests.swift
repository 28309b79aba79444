import Glibc
import ObjfsTesting
import Processes
import Testing

/// The manual pages, the built program and the tests say the same.
@Suite struct ManualTests {
    /// The top of the package.
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

    private static let commands = [
        "mount", "umount", "recover", "run", "exec", "jobs", "worker", "chunks", "ls", "cat", "head", "tail", "cp",
        "mv", "sync", "rm", "mkdir", "touch", "du", "index", "stat", "presign", "doctor",
    ]

    private func text(_ path: String) throws -> String {
        let file = try #require(fopen(Self.root + "/" + path, "r"), "\(path) is missing")
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&block, 1, block.count, file)
            bytes += block[..<count]
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        }
    }

    /// The long options of a command, as its help has them.
    private func options(of command: String) throws -> Set<String> {
        let help = try Program.objfs([command, "--help"])
        #expect(help.status == 0)
        var options: Set<String> = []
        for word in help.standardOutput.split(whereSeparator: { " \n,/|[]()".contains($0) }) where word.hasPrefix("--")
        {
            options.insert(String(word.dropFirst(2)))
        }
        return options.subtracting(["", "help", "version"])
    }

    /// The long options of a page.
    private func options(ofPage page: String) throws -> Set<String> {
        var options: Set<String> = []
        for line in page.split(separator: "\n") where line.hasPrefix(".It Fl ") {
            for word in line.split(separator: " ") where word.hasPrefix("-") {
                options.insert(String(word.dropFirst()))
            }
        }
        return options.subtracting(["", "help", "version"])
    }

    @Test(arguments: commands)
    func `a command's page has exactly the options of its help`(command: String) throws {
        let store = try options(ofPage: text("man/objfs.1"))
        let page = try options(ofPage: text("man/objfs-\(command).1"))
        let help = try options(of: command)
        #expect(page.isSubset(of: help), "the page has \(page.subtracting(help)) and the help has not")
        #expect(help.isSubset(of: page.union(store)), "the help has \(help.subtracting(page.union(store)))")
    }

    @Test func `every command has a page, and the program's page names it`() throws {
        let program = try text("man/objfs.1")
        for command in Self.commands { #expect(program.contains("objfs-\(command) 1"), "\(command)") }
        let help = try Program.objfs(["--help"]).standardOutput
        for command in Self.commands { #expect(help.contains("  \(command) "), "\(command)") }
    }

    @Test func `every numbered promise of the manual has a test that carries its number`() throws {
        var promises: [String] = []
        for line in try text("man/objfs-semantics.7").split(separator: "\n") where line.hasPrefix(".It Sy ") {
            let name = line.dropFirst(7)
            if let first = name.first, first.isUppercase, name.dropFirst().allSatisfy(\.isNumber) {
                promises.append(String(name))
            }
        }
        #expect(promises.count > 25)
        let search = try Program.run(["grep", "-rhoE", "func `[^`]+`", Self.root + "/Tests"])
        let names = search.standardOutput
        for promise in promises {
            let isTested = names.split(separator: "\n").contains { line in
                line.dropFirst(6).prefix { $0 != ":" }.split(separator: ",").contains {
                    $0.drop { $0 == " " } == promise
                }
            }
            #expect(isTested, "no test carries \(promise)")
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func `completions name every command`(shell: String) throws {
        let script = try Program.objfs(["--generate-completion-script", shell])
        #expect(script.status == 0)
        for command in Self.commands { #expect(script.standardOutput.contains(command), "\(command)") }
    }

    @Test func `C11: every format of the help has its rule in the page of formats`() throws {
        let page = try text("man/objfs-formats.7").split(separator: "\n").filter { $0.hasPrefix(".It Sy ") }
        let ruled = Set(page.flatMap { $0.split(separator: " ").dropFirst(2).map(String.init) })
        let help = try Program.objfs(["chunks", "--help"]).standardOutput.split(whereSeparator: \.isWhitespace)
        let start = try #require(help.firstIndex(of: "records:"))
        let names = help[(start + 1)...].prefix { !$0.hasPrefix("-") }.map { $0.filter { $0 != "," } }
        #expect(names.count > 9 && ruled.isSuperset(of: names), "\(names) \(ruled)")
    }

    @Test func `the pages are well-formed`() throws {
        let pages =
            Self.commands.map { "man/objfs-\($0).1" } + [
                "man/objfs.1", "man/objfs-semantics.7", "man/objfs-formats.7", "man/mount.objfs.8",
            ]
        for page in pages {
            let lint = try Program.run(["mandoc", "-T", "lint", "-W", "warning", Self.root + "/" + page])
            #expect(lint.status == 0, "\(lint.standardOutput)")
        }
    }
}
