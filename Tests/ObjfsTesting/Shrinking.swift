/// Makes a long sequence of steps that fails a short one that fails as well.
package enum Shrinking {
    /// Leaves out steps, in ever smaller pieces, as long as what is left still fails.
    ///
    /// - Parameters:
    ///   - steps: A sequence that fails.
    ///   - attempts: How often `fails` is asked at most.
    ///   - fails: Whether a sequence fails; it begins from nothing each time.
    /// - Returns: The shortest sequence found.
    package static func shortest<Step>(
        _ steps: [Step], attempts: Int = 400, fails: ([Step]) -> Bool
    ) -> [Step] {
        var rest = steps
        var size = max(steps.count / 2, 1)
        var left = attempts
        while size >= 1, left > 0 {
            var start = 0
            var hasShrunk = false
            while start < rest.count, left > 0 {
                var shorter = rest
                shorter.removeSubrange(start..<min(start + size, rest.count))
                left -= 1
                if !shorter.isEmpty, fails(shorter) {
                    rest = shorter
                    hasShrunk = true
                } else {
                    start += size
                }
            }
            if size == 1, !hasShrunk { break }
            size = max(size / 2, 1)
        }
        return rest
    }
}
