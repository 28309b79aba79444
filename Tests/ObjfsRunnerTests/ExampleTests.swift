import ObjfsTesting
import Processes
import Testing

/// The examples that take a second or two; `make examples` runs all of them, and these on Ray too.
@Suite struct ExampleTests {
    /// The top of the package.
    private static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

    /// Runs an example, which succeeds only if its result is the same as one that was come to otherwise.
    private func run(_ name: String, _ arguments: [String] = []) throws -> Program {
        let folder = TemporaryFolder()
        let tools = Program.objfs.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        let environment = [
            "PATH": tools + ":" + (Environment.value("PATH") ?? "/usr/bin:/bin"), "HOME": folder.path,
            "XDG_STATE_HOME": folder.path + "/state", "XDG_CACHE_HOME": folder.path + "/cache",
            "PYTHON": Self.root + "/.build-tools/bin/python",
        ]
        return try Program.run([Self.root + "/examples/\(name)/run"] + arguments, environment: environment)
    }

    @Test func `the example counts how often each line occurs, in any number of chunks`() throws {
        for chunks in ["16", "3"] {
            let counted = try run("line-counter", ["", chunks])
            #expect(counted.status == 0, "\(counted.standardError)")
            #expect(counted.standardOutput.hasPrefix("20000 The Project Gutenberg eBook of "))
        }
    }

    @Test func `the example says in which file John is`() throws {
        let found = try run("ages-on-ray")
        #expect(found.status == 0, "\(found.standardError)")
        #expect(found.standardOutput == "John is found in ages-part1.csv\nJohn not found in ages-part2.csv\n")
    }

    @Test func `the example names the colours of images`() throws {
        let seen = try run("image-colours")
        #expect(seen.status == 0, "\(seen.standardError)")
        #expect(seen.standardOutput.hasPrefix("00.png red #"))
    }
}
