import Foundation
import Hummingbird

/// The page of the officer on duty at `/`: markup, style and script of this server's own, nothing from elsewhere.
///
/// They are text in the program (not resource files beside it), so that a copied binary keeps its console. Leaflet is
/// taken from the system's package where that is installed; without it the map is a plain drawing.
enum Console {
    /// Files of Leaflet that are served, and their types; nothing else of its folder is.
    static let leafletFiles = ["leaflet.min.js": "text/javascript; charset=utf-8", "leaflet.css": "text/css; charset=utf-8"]

    /// No inline script or style, no foreign host: text that slips into the page as markup would still do nothing.
    static let contentSecurityPolicy = """
        default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
        base-uri 'none'; form-action 'none'; frame-ancestors 'none'
        """

    static func add(to router: Router<BasicRequestContext>, _ options: HTTPServerOptions) {
        let leaflet = leafletFiles.keys.reduce(into: [String: String]()) { files, name in
            if let data = FileManager.default.contents(atPath: "\(options.leafletFolder)/\(name)") {
                files[name] = String(decoding: data, as: UTF8.self)
            }
        }
        let hasLeaflet = leaflet.count == leafletFiles.count
        let markup = page(hasLeaflet: hasLeaflet)
        let script = [words, state, map, lists, live].joined(separator: "\n")
        router.get("/") { _, _ -> Response in
            var response = Reply.text(markup, type: "text/html; charset=utf-8")
            response.headers[.contentSecurityPolicy] = contentSecurityPolicy
            return response
        }
        router.get("console.css") { _, _ in Reply.text(style, type: "text/css; charset=utf-8") }
        router.get("console.js") { _, _ in Reply.text(script, type: "text/javascript; charset=utf-8") }
        router.get("leaflet/:file") { _, context -> Response in
            guard hasLeaflet, let name = context.parameters.get("file"), let type = leafletFiles[name], let text = leaflet[name]
            else { throw HTTPError(.notFound) }
            return Reply.text(text, type: type)
        }
        let about = about(options)
        router.get("api/v1/about") { _, _ -> Response in
            let now = Int64(Date().timeIntervalSince1970 * 1000)
            return Reply.json("{\"now\":\(now),\(about)}")
        }
    }

    /// What a page must be told: the time zone to show times in, and the names of areas.
    private static func about(_ options: HTTPServerOptions) -> String {
        let areas = options.areaNames.sorted { $0.key < $1.key }
            .map { "{\"code\":\(JSONText.quoted($0.key)),\"name\":\(JSONText.quoted($0.value))}" }
        return "\"timezone\":\(JSONText.quoted(options.timezone)),\"areas\":[\(areas.joined(separator: ","))]"
    }
}
