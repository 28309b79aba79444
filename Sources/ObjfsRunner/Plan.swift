package import Records
package import Storage

/// A file that is made of bytes of one version of an object.
package struct Piece: Sendable {
    package let store: any ObjectStore
    package let object: ObjectInfo
    /// The bytes of the object that it stands for; the end is excluded.
    package let range: Range<Int64>
    /// What the command gets.
    package let content: ChunkContent

    /// Makes a piece.
    ///
    /// - Parameter content: What the command gets, if that is not just the bytes of the object.
    package init(
        store: any ObjectStore, object: ObjectInfo, range: Range<Int64>, content: ChunkContent? = nil
    ) {
        self.store = store
        self.object = object
        self.range = range
        self.content = content ?? ChunkContent(range)
    }

    /// The number of bytes that the command gets.
    package var count: Int64 { content.count }
}

/// One run of the command: what it gets, and where that is from.
package struct RunTask: Sendable {
    /// Which task it is, from 0.
    package let number: Int
    /// How people call the object that it is about.
    package let name: String
    /// Which chunk of the object, and of how many.
    package let chunk: Int64
    package let chunks: Int64
    /// What the command gets, one after another.
    package let pieces: [Piece]
    /// What it gets instead on its standard input, if that is found while it runs.
    package let late: LatePieces?

    package init(
        number: Int, name: String, chunk: Int64, chunks: Int64, pieces: [Piece], late: LatePieces? = nil
    ) {
        self.number = number
        self.name = name
        self.chunk = chunk
        self.chunks = chunks
        self.pieces = pieces
        self.late = late
    }

    /// The number of bytes that the command gets.
    package var count: Int64 { pieces.reduce(0) { $0 + $1.count } }

    /// How people call the task: the object, and the chunk if it has several.
    package var label: String { chunks > 1 ? "\(name)#\(chunk)" : name }
}

/// All that a job does, fixed before the first task starts.
package struct Plan: Sendable {
    package let tasks: [RunTask]

    package init(_ tasks: [RunTask]) { self.tasks = tasks }

    /// The number of bytes of all tasks.
    package var count: Int64 { tasks.reduce(0) { $0 + $1.count } }
}
