import ObjfsTesting
import Testing

/// Programs that read Parquet, on the chunks of a mount.
@Suite(.serialized) struct ParquetSuiteTests {
    private static let root = String(#filePath.dropLast("Tests/MountTests/ParquetSuiteTests.swift".utf8.count))

    @Test func `C2, C5, C8, C11: pyarrow, pandas and DuckDB read in chunks of Parquet files the rows of the whole`()
        throws
    {
        let folder = TemporaryFolder()
        let seed = String(SeededGenerator.freshSeed)
        let result = try Program.run(
            [
                Self.root + ".build-tools/bin/python3", Self.root + "Tests/Suites/parquet.py", Program.objfs,
                folder.path, seed,
            ], environment: ["XDG_CACHE_HOME": folder.path + "/cache"], seconds: 300)
        #expect(result.status == 0, "seed \(seed): \(result.standardError)")
        #expect(result.standardOutput.hasSuffix("all rows in order\n"), "seed \(seed)")
    }
}
