import Glibc

/// What objfs says to people, and how its words reach them.
package enum Messages {
    /// Writes `objfs: MESSAGE`, and `objfs: hint: HINT` below it, to standard error.
    package static func write(_ failure: Failure) {
        warn(failure.message)
        if let hint = failure.hint { warn("hint: \(hint)") }
    }

    /// Writes `objfs: MESSAGE` to standard error; bytes that would steer a terminal are shown, not sent.
    package static func warn(_ message: String) {
        write(Array("objfs: \(TerminalText.visible(message))\n".utf8), to: STDERR_FILENO)
    }

    /// Writes a text and a newline to standard output.
    package static func print(_ text: String) {
        write(Array(text.utf8) + [0x0A], to: STDOUT_FILENO)
    }

    /// Writes all the bytes, or as many as the reader takes.
    ///
    /// The corresponding C function is `write`.
    @discardableResult
    package static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = rest.dropFirst(count)
            }
            return true
        }
    }
}
