import Bytes
import Glibc
import ObjfsEngine
import ObjfsTesting
import Storage
import Synchronization
import SystemPackage
import Testing
import Threads
import VFS

@Suite struct ReadingTests {
    @Test func `M8, W3: who needs much memory gets it although others read all the time`() throws {
        let files = try WritableStore(
            ["read": String(repeating: "x", count: 4 << 20)], limits: .s3, options: { $0.memoryLimit = 16 << 20 })
        files.mount.counter.before(.read) {
            usleep(1000)
            return nil
        }
        let reader = try files.open("read", [.reading])
        let isOver = Atomic(false)
        let reads = (0..<8).map { _ in
            Beside { [engine = files.engine] in
                while !isOver.load(ordering: .relaxed) {
                    let offset = Int64.random(in: 0..<(4 << 20) - 8192)
                    guard (try? engine.read(reader, at: offset, count: 4096))?.reduce(0, { $0 + $1.count }) == 4096
                    else { return false }
                }
                return true
            }
        }
        // It is sent by one request, whose buffer is all there may be.
        let large = String(repeating: "0123456789", count: 1 << 20)
        let writer = try files.open("large", [.writing])
        try files.write(writer, large)
        #expect(files.flushBeside(writer).value == .some(nil))
        isOver.store(true, ordering: .relaxed)
        for read in reads { #expect(read.value == true) }
        files.engine.release(writer)
        files.engine.release(reader)
        #expect(files.stored("large") == large)
        #expect(try files.remains() == [])
    }

    @Test func `M3: what the kernel asks again at once when the store has failed waits no second time`() throws {
        let files = try WritableStore(["a": "content"])
        let handle = try files.open("a", [.reading])
        files.mount.counter.before(.read) {
            usleep(1_100_000)
            return StorageError(.timedOut, "no answer")
        }
        for _ in 0..<3 {
            #expect(throws: Errno.timedOut) { try files.engine.read(handle, at: 0, count: 7) }
        }
        #expect(files.mount.counter.counts.reads == 1)
        files.mount.counter.before(.read) { nil }
        // Who opens it anew asks anew, and so does everybody a moment later.
        #expect(try files.mount.text("a") == "content")
        usleep(1_100_000)
        #expect(try files.engine.read(handle, at: 0, count: 7).flatMap(\.array) == Array("content".utf8))
        files.engine.release(handle)
    }

    @Test(arguments: [1, 100, 4096, 131_072, 1 << 20])
    func `a file is its object, whatever the size of the reads`(count: Int) throws {
        let mount = try MountedStore()
        var generator = SeededGenerator(seed: 7)
        let size = count == 1 ? 3000 : 3_500_001
        let content = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try mount.memory.write("f", content)
        #expect(try mount.read("f", by: count) == content)
    }

    @Test(arguments: [1, SeededGenerator.freshSeed])
    func `random reads of many threads are the bytes of the object`(seed: UInt64) throws {
        let mount = try MountedStore(options: { $0.memoryLimit = 16 << 20 })
        var generator = SeededGenerator(seed: seed)
        let content = (0..<6_000_000).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try mount.memory.write("f", content)
        let inode = try mount.lookup("f").inode
        let handles = try (0..<3).map { _ in try mount.engine.open(inode, .reading).handle }
        let wrong = Monitor<[String]>([])
        let threads = (0..<8).compactMap { number in
            let seed = generator.next()
            return Thread.start("test") {
                var generator = SeededGenerator(seed: seed)
                var next = 0
                for _ in 0..<150 {
                    // Some go on where they were, some jump, some jump a little.
                    switch Int.random(in: 0..<4, using: &generator) {
                    case 0: next = Int.random(in: 0..<content.count, using: &generator)
                    case 1: next = max(next - Int.random(in: 0..<300_000, using: &generator), 0)
                    default: break
                    }
                    let count = Int.random(in: 1...200_000, using: &generator)
                    let handle = handles[Int.random(in: 0..<3, using: &generator)]
                    do {
                        let bytes = try mount.engine.read(handle, at: Int64(next), count: count).flatMap(\.array)
                        let expected = content[min(next, content.count)..<min(next + count, content.count)]
                        if !bytes.elementsEqual(expected) { wrong.update { $0.append("\(number) at \(next)") } }
                    } catch {
                        wrong.update { $0.append("\(error)") }
                    }
                    next += count
                }
            }
        }
        for thread in threads { thread.join() }
        for handle in handles { mount.engine.release(handle) }
        #expect(wrong.withLock { $0 } == [], "seed \(seed)")
    }

    @Test func `one random read fetches what it asks for and no more`() throws {
        let mount = try MountedStore()
        try mount.memory.write("f", [UInt8](repeating: 1, count: 50 << 20))
        let file = try mount.engine.open(try mount.lookup("f").inode, .reading)
        for place in [40, 3, 25, 11, 33] {
            _ = try mount.engine.read(file.handle, at: Int64(place << 20), count: 4096)
        }
        mount.engine.release(file.handle)
        #expect(mount.counter.counts.reads == 5)
        #expect(mount.counter.counts.bytesRead == 5 * 4096)
    }

    @Test func `reading on and on takes few requests`() throws {
        let mount = try MountedStore()
        try mount.memory.write("f", [UInt8](repeating: 1, count: 64 << 20))
        #expect(try mount.read("f", by: 1 << 17).count == 64 << 20)
        #expect(mount.counter.counts.reads < 40)
        #expect(mount.counter.counts.bytesRead < 80 << 20)
    }

    @Test func `places that are read in turns through one descriptor don't fetch one another's bytes`() throws {
        let mount = try MountedStore()
        try mount.memory.write("f", [UInt8](repeating: 1, count: 64 << 20))
        let file = try mount.engine.open(try mount.lookup("f").inode, .reading)
        // As four threads do that share the groups of rows of a table: none of them ends where another one is.
        let step = 1 << 18
        for turn in 0..<(16 << 20) / step {
            for place in [2, 0, 3, 1] {
                let start = place * 16 << 20 + turn * step
                let bytes = try mount.engine.read(file.handle, at: Int64(start), count: step)
                #expect(bytes.reduce(0) { $0 + $1.count } == step)
            }
        }
        mount.engine.release(file.handle)
        #expect(mount.counter.counts.bytesRead == 64 << 20)
        #expect(mount.counter.counts.reads < 80)
    }

    @Test func `who once looked at a place keeps nobody from reading ahead over it`() throws {
        let mount = try MountedStore()
        try mount.memory.write("f", [UInt8](repeating: 1, count: 64 << 20))
        let file = try mount.engine.open(try mount.lookup("f").inode, .reading)
        for place in [50, 40, 30, 20] { _ = try mount.engine.read(file.handle, at: Int64(place << 20), count: 4096) }
        for start in stride(from: 0, to: 64 << 20, by: 1 << 17) {
            _ = try mount.engine.read(file.handle, at: Int64(start), count: 1 << 17)
        }
        mount.engine.release(file.handle)
        #expect(mount.counter.counts.reads < 50)
    }

    @Test func `M4: a file that was replaced is ESTALE for who has it open, and new for who opens it`() throws {
        let mount = try MountedStore(options: { $0.metadataTTL = .seconds(600) })
        try mount.memory.write("f", [UInt8](repeating: 1, count: 5000))
        let inode = try mount.lookup("f").inode
        let file = try mount.engine.open(inode, .reading)
        #expect(try mount.engine.read(file.handle, at: 0, count: 100).flatMap(\.array).allSatisfy { $0 == 1 })
        try mount.memory.write("f", [UInt8](repeating: 2, count: 6000))
        #expect(throws: Errno.staleNFSFileHandle) { try mount.engine.read(file.handle, at: 2000, count: 100) }
        mount.engine.release(file.handle)
        // The kernel looks the name up again where an open says so.
        #expect(throws: Errno.staleNFSFileHandle) { try mount.engine.open(inode, .reading) }
        #expect(try mount.lookup("f").size == 6000)
        #expect(try mount.read("f").allSatisfy { $0 == 2 })
        // The first content again has the first name of a version again.
        try mount.memory.write("f", [UInt8](repeating: 1, count: 5000))
        _ = try? mount.read("f")
        #expect(try mount.read("f").count == 5000)
    }

    @Test func `M4: an object that is deleted is ESTALE and not ENOENT for who has it open`() throws {
        let mount = try MountedStore(["f": "content"])
        let file = try mount.engine.open(try mount.lookup("f").inode, .reading)
        try mount.memory.delete("f")
        #expect(throws: Errno.staleNFSFileHandle) { try mount.engine.read(file.handle, at: 0, count: 100) }
        mount.engine.release(file.handle)
    }

    @Test func `M4: bytes of two versions never meet in one open file`() throws {
        let mount = try MountedStore(options: { $0.metadataTTL = .zero })
        let size = 3_000_000
        try mount.memory.write("f", [UInt8](repeating: 0, count: size))
        let isOver = Monitor(false)
        let writer = Thread.start("writer") {
            var value: UInt8 = 0
            while !isOver.withLock({ $0 }) {
                value &+= 1
                _ = try? mount.memory.write("f", [UInt8](repeating: value, count: size))
            }
        }
        let mixtures = Monitor(0)
        let whole = Monitor(0)
        let threads = (0..<4).compactMap { _ in
            Thread.start("reader") {
                for _ in 0..<20 {
                    guard let bytes = try? mount.read("f", by: 100_000) else { continue }
                    whole.withLock { $0 += 1 }
                    if Set(bytes).count != 1 || bytes.count != size { mixtures.withLock { $0 += 1 } }
                }
            }
        }
        for thread in threads { thread.join() }
        isOver.update { $0 = true }
        writer?.join()
        #expect(mixtures.withLock { $0 } == 0)
    }

    @Test func `a read that fails fails, and the next one tries again`() throws {
        let failures = Monitor(2)
        let mount = try MountedStore(
            ["f": String(repeating: "x", count: 10_000)],
            beforeRead: { _ throws(StorageError) in
                let fails = failures.withLock { left in
                    left -= 1
                    return left >= 0
                }
                if fails { throw StorageError(.unavailable, "out of order (503)") }
            })
        let file = try mount.engine.open(try mount.lookup("f").inode, .reading)
        #expect(throws: Errno.ioError) { try mount.engine.read(file.handle, at: 0, count: 100) }
        #expect(throws: Errno.ioError) { try mount.engine.read(file.handle, at: 100, count: 100) }
        #expect(try mount.engine.read(file.handle, at: 0, count: 100).flatMap(\.array).count == 100)
        #expect(try mount.engine.read(file.handle, at: 100, count: 100).flatMap(\.array).count == 100)
        mount.engine.release(file.handle)
    }

    @Test func `M8: many open files keep within the memory they may have, and all go on`() throws {
        let mount = try MountedStore(options: { $0.memoryLimit = 16 << 20 })
        let content = [UInt8](repeating: 5, count: 12 << 20)
        try mount.memory.write("f", content)
        let inode = try mount.lookup("f").inode
        let failures = Monitor<[String]>([])
        // Some read to the end, some stop in the middle and keep their files open.
        let threads = (0..<24).compactMap { number in
            Thread.start("reader") {
                do {
                    let file = try mount.engine.open(inode, .reading)
                    var position: Int64 = 0
                    let end = number.isMultiple(of: 2) ? content.count : content.count / 3
                    while position < end {
                        let bytes = try mount.engine.read(file.handle, at: position, count: 1 << 17)
                        guard bytes.allSatisfy({ $0.array.allSatisfy { $0 == 5 } }) else { throw Errno.ioError }
                        position += Int64(bytes.reduce(0) { $0 + $1.count })
                    }
                    if mount.engine.memoryInUse > 16 << 20 { throw Errno.noMemory }
                    if number.isMultiple(of: 2) { mount.engine.release(file.handle) }
                } catch {
                    failures.update { $0.append("\(number): \(error)") }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(failures.withLock { $0 } == [])
        mount.engine.unmounted()
    }
}
