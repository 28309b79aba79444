import Glibc

/// The library that is preloaded.
enum PreloadLibrary {
    /// Where it is: beside this program, or where it is installed.
    static func path() throws(Failure) -> String {
        guard let real = realpath("/proc/self/exe", nil) else {
            throw Failure(.impossible, "exec: this program's own file can't be found")
        }
        defer { free(real) }
        let folder = String(cString: real).split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        let places = ["\(folder)/libobjfs-preload.so", "\(folder)/../lib/objfs/libobjfs-preload.so"]
        guard let library = places.first(where: { access($0, R_OK) == 0 }) else {
            throw Failure(.impossible, "exec: libobjfs-preload.so is missing", hint: "it should be \(places[1])")
        }
        // The loader divides the list at these.
        guard !library.contains(where: { $0 == " " || $0 == ":" }) else {
            throw Failure(.impossible, "exec: \(library): a path with blanks or colons can't be preloaded")
        }
        return library
    }
}
