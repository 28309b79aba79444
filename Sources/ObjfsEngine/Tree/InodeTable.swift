import Synchronization
import VFS

/// Which inode number stands for which thing, and how often the kernel was told of it.
final class InodeTable: Sendable {
    fileprivate struct Row {
        var node: Node
        /// How often the kernel has yet to forget the number; the root's is never asked.
        var references: UInt64
    }

    fileprivate struct Rows {
        var rows: [UInt64: Row]
        /// The numbers of things that had other fingerprints when they were given them, by those of now.
        var moved: [UInt64: UInt64] = [:]

        subscript(number: UInt64) -> Row? {
            get { rows[number] }
            set { rows[number] = newValue }
        }
    }

    private let rows: Mutex<Rows>
    /// Numbers for what has none of its own: no fingerprint is as likely as another to be among them.
    private let fresh = Atomic<UInt64>(1 << 63)

    init(root: Node) {
        rows = Mutex(Rows(rows: [Inode.root.rawValue: Row(node: root, references: 1)]))
    }

    /// Counts one more reference to a thing.
    ///
    /// - Returns: Its number, and the node that stands for it: an older one where that has something to keep.
    func reference(_ node: Node) -> (inode: Inode, node: Node) {
        rows.withLock { rows in
            let number = rows.numberOfFile(for: node) ?? rows.number(for: node)
            var row = rows[number] ?? Row(node: node, references: 0)
            // An older version may have been put back, with other times.
            if case .object = node, case .object = row.node { row.node = node }
            row.references += 1
            rows[number] = row
            return (Inode(rawValue: number), row.node)
        }
    }

    /// The number that a thing has, or would have now.
    func number(for node: Node) -> Inode {
        rows.withLock { rows in Inode(rawValue: rows.number(for: node)) }
    }

    /// A number that nothing has.
    func unused() -> Inode {
        while true {
            let number = fresh.wrappingAdd(1, ordering: .relaxed).newValue
            if rows.withLock({ $0[number] }) == nil { return Inode(rawValue: number) }
        }
    }

    /// Lets a number stand for something else.
    func replace(_ inode: Inode, by node: Node) {
        rows.withLock { rows in
            guard let old = rows[inode.rawValue]?.node else { return }
            rows[inode.rawValue]?.node = node
            // A folder that was renamed keeps its number.
            if rows.moved[old.fingerprint] == inode.rawValue { rows.moved[old.fingerprint] = nil }
            if node.fingerprint != inode.rawValue { rows.moved[node.fingerprint] = inode.rawValue }
        }
    }

    /// All that stands for something that `isWanted`.
    func all(where isWanted: (Node) -> Bool) -> [(inode: Inode, node: Node)] {
        rows.withLock { rows in
            rows.rows.compactMap { isWanted($0.value.node) ? (Inode(rawValue: $0.key), $0.value.node) : nil }
        }
    }

    /// Takes back some references; without any, the number stands for nothing.
    ///
    /// - Returns: What the number stood for, if it does no longer.
    @discardableResult
    func forget(_ inode: Inode, references: UInt64) -> Node? {
        guard inode != .root else { return nil }
        return rows.withLock { rows in
            guard var row = rows[inode.rawValue] else { return nil }
            row.references -= min(references, row.references)
            guard row.references == 0 else {
                rows[inode.rawValue] = row
                return nil
            }
            rows[inode.rawValue] = nil
            if rows.moved[row.node.fingerprint] == inode.rawValue { rows.moved[row.node.fingerprint] = nil }
            return row.node
        }
    }

    /// What a number stands for.
    subscript(inode: Inode) -> Node? {
        rows.withLock { $0[inode.rawValue]?.node }
    }

    /// How many numbers stand for something.
    var count: Int { rows.withLock { $0.rows.count } }
}

extension InodeTable.Rows {
    /// The number of a version that a file stands for which is changed here, if it had that number before.
    fileprivate func numberOfFile(for node: Node) -> UInt64? {
        let number = node.fingerprint
        guard case .object(let object) = node, case .file(let file) = self[number]?.node, file.key == object.key,
            file.bucket === object.bucket, file.stands(for: object.info)
        else { return nil }
        return number
    }

    /// The number of a node: its fingerprint, or the next that is free where another thing has that already.
    fileprivate func number(for node: Node) -> UInt64 {
        if let root = self[Inode.root.rawValue], root.node.isSame(as: node) { return Inode.root.rawValue }
        var number = node.fingerprint
        if let own = moved[number], self[own]?.node.isSame(as: node) ?? false { return own }
        while true {
            if number <= Inode.root.rawValue { number = Inode.root.rawValue + 1 }
            guard let row = self[number], !row.node.isSame(as: node) else { return number }
            number &+= 1
        }
    }
}
