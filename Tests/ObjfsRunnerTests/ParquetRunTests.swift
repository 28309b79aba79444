import Bytes
import ObjfsRunner
import ObjfsTesting
import Records
import Storage
import Testing

/// `objfs run` over the row groups of Parquet files.
@Suite struct ParquetRunTests {
    private static let python =
        String(
            #filePath.dropLast("Tests/ObjfsRunnerTests/ParquetRunTests.swift".utf8.count)) + ".build-tools/bin/python3"

    private func run(_ folder: borrowing TemporaryFolder, _ arguments: [String]) throws -> Program {
        try Program.objfs(
            ["run", "--chunks", "5"] + arguments,
            environment: ["XDG_CACHE_HOME": folder.path + "/cache", "HOME": folder.path], folder: folder.path)
    }

    private static let writer = """
        import pyarrow, pyarrow.parquet
        table = pyarrow.table({'i': range(1000), 's': [str(number % 7) for number in range(1000)]})
        pyarrow.parquet.write_table(table, 'data', row_group_size=90)
        """

    /// Programs that print the first column of a file.
    private static let readers = [
        "import pyarrow.parquet; print(*pyarrow.parquet.read_table('{}')['i'].to_pylist(), sep='\\n')",
        "import pandas; print(*pandas.read_parquet('{}')['i'], sep='\\n')",
        "import duckdb; print(*[row[0] for row in duckdb.sql(\\\"from read_parquet('{}')\\\").fetchall()], sep='\\n')",
    ]

    @Test func `C11, R1: pyarrow, pandas and DuckDB read the chunks as files, and as their standard input`() throws {
        let folder = TemporaryFolder()
        let written = try Program.run([Self.python, "-c", Self.writer], folder: folder.path)
        #expect(written.status == 0, "\(written.standardError)")
        let expected = (0..<1000).map { "\($0)" }
        for reader in Self.readers {
            let read = try run(
                folder, ["--shell", "--format", "parquet", "data", "--", "\(Self.python) -c \"\(reader)\""])
            // A chunk without rows is read too, and prints an empty line.
            let isSame = read.standardOutput.split(separator: "\n").elementsEqual(expected) { $0 == $1 }
            #expect(isSame && read.status == 0, "\(reader): \(read.standardError)\(read.standardOutput.prefix(200))")
        }
        let streamed = """
            import io, sys, pyarrow.parquet
            print(*pyarrow.parquet.read_table(io.BytesIO(sys.stdin.buffer.read()))['i'].to_pylist(), sep='\\n')
            """
        let read = try run(folder, ["--format", "auto", "data", "--", Self.python, "-c", streamed])
        let isSame = read.standardOutput.split(separator: "\n").elementsEqual(expected) { $0 == $1 }
        #expect(isSame, "\(read.standardError)")
    }

    @Test func `C11: a chunk's rows are told, and where they are`() throws {
        let folder = TemporaryFolder()
        _ = try Program.run([Self.python, "-c", Self.writer], folder: folder.path)
        let listed = try Program.objfs(
            ["chunks", "--format", "parquet", "--chunks", "30", "data"],
            environment: ["XDG_CACHE_HOME": folder.path + "/cache"], folder: folder.path)
        let lines = listed.standardOutput.split(separator: "\n").map {
            $0.split(separator: "\t").compactMap { Int64($0) }
        }
        #expect(lines.count == 30)
        #expect(lines.reduce(0) { $0 + $1[3] } == 1000, "\(listed.standardError)")
        for line in lines {
            let file = try Program.objfs(["cat", "data@chunks@30@parquet/chunk-\(line[0])"], folder: folder.path)
            #expect(Int64(file.output.count) == line[2])
            #expect(file.output.starts(with: "PAR1".utf8) && file.output.suffix(4).elementsEqual("PAR1".utf8))
        }
    }

    @Test func `R7: a job's plan keeps what chunks consist of`() throws {
        let store = InMemoryStore()
        let object = try store.write("k", [UInt8](repeating: 1, count: 100))
        let header = ByteSlice("head".utf8)
        let contents = [
            ChunkContent(0..<100), ChunkContent(header: header, 5..<9), ChunkContent(0..<0),
            ChunkContent([
                .literal(header), .object(4..<8), .object(20..<90), .literal(ByteSlice([0])), .literal(header),
            ]),
        ]
        let tasks = contents.enumerated().map { number, content in
            RunTask(
                number: number, name: "k", chunk: 0, chunks: 1,
                pieces: [Piece(store: store, object: object, range: 0..<100, content: content)])
        }
        let plan = Plan(tasks)
        let text = JobPlan(JobPlan.Head(id: "j", folder: "/", arguments: [], plan), plan).text
        #expect(text.split(separator: "\n").count { $0.contains("literal") } == 2)
        let read = try self.plan(text, in: store)
        #expect(read.plan.tasks.map { $0.pieces.map(\.content) } == contents.map { [$0] })
        let damaged = text.replacing("#1", with: "#2")
        #expect(throws: StorageError.self) { try self.plan(damaged, in: store) }
    }

    private func plan(_ text: String, in store: InMemoryStore) throws -> JobPlan {
        try JobPlan(
            Array(text.utf8), { (_) throws(StorageError) in store }, index: { (_, _) throws(StorageError) in nil })
    }
}
