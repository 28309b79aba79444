import Bytes
package import Records
package import Storage

extension ChunkIndex {
    /// What the file of a chunk consists of: its bytes of the object, what is repeated before them,
    /// and for a Parquet file what makes its row groups one again.
    package func content(of chunk: Chunk) throws(StorageError) -> ChunkContent {
        guard case .rowGroups = try format() else {
            return ChunkContent(header: chunk.index > 0 ? try headerBytes() : .empty, chunk.range)
        }
        let footer = try footer()
        do throws(ParquetError) {
            return try footer.content(of: chunk.range)
        } catch {
            throw StorageError(error)
        }
    }

    /// How many rows a chunk has, where the object tells that; `nil` where it would have to be counted.
    package func rows(of chunk: Chunk) throws(StorageError) -> Int64? {
        guard case .rowGroups = try format() else { return nil }
        return try footer().rows(in: chunk.range)
    }
}
