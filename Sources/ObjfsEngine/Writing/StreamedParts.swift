import Storage
import SystemPackage

/// The parts of a file that were sent, or are being sent, before the file was closed.
struct StreamedParts {
    enum Part {
        /// Somebody sends it. If its bytes change meanwhile it has to be sent again.
        case sending(isSpoilt: Bool)
        case sent(UploadedPart)
    }

    enum Begin {
        case no
        case beginning
        case begun(Upload, ObjectAttributes)
    }

    /// How many parts an object has at most.
    static let most = 10_000

    /// The parts that were given to somebody to send, whatever became of them.
    var given = RangeSet<Int64>()
    var begin = Begin.no
    var parts: [Int: Part] = [:]
    /// The numbers of all parts that the store has, be they of use or not.
    var numbers: Set<Int> = []
    /// Why no more can be sent; who writes on learns it.
    var failure: Errno?

    /// How many parts are on their way.
    var sending: Int {
        parts.values.count { if case .sending = $0 { true } else { false } }
    }

    /// Takes note that bytes have changed: parts that have them must be sent again.
    mutating func spoil(_ range: Range<Int64>, _ grid: PartGrid) {
        guard !parts.isEmpty, !range.isEmpty else { return }
        for (index, part) in parts where grid.range(index).overlaps(range) {
            if case .sending = part { parts[index] = .sending(isSpoilt: true) } else { parts[index] = nil }
        }
    }

    /// Whether some bytes may be changed: not if the rest of a part would be needed that is no longer there.
    func mayChange(_ range: Range<Int64>, gone: RangeSet<Int64>) -> Bool {
        guard !gone.isEmpty else { return true }
        return RangeSet(range).isDisjoint(gone)
    }

    /// Whether all parts that were sent, or are on their way, are parts of a file of some size.
    func fits(_ size: Int64, _ grid: PartGrid) -> Bool {
        let count = grid.count(of: size)
        return numbers.allSatisfy { $0 <= count } && parts.keys.allSatisfy { $0 < count }
    }

    /// Takes note of how the sending of a part ended.
    ///
    /// - Parameter upload: What it was sent to; `nil` if there was nothing yet.
    mutating func ended(_ index: Int, with part: UploadedPart?, of upload: Upload?) {
        // An upload that is over by now took its parts along.
        if let upload {
            guard case .begun(let current, _) = begin, current == upload else { return }
        }
        if let part { numbers.insert(part.number) }
        guard case .sending(let isSpoilt) = parts[index] else { return }
        parts[index] = isSpoilt ? nil : part.map(Part.sent)
    }
}
