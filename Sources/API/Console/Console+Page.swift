extension Console {
    /// - Parameter hasLeaflet: whether the map's library can be served.
    static func page(hasLeaflet: Bool) -> String {
        let leaflet = """
            <link rel="stylesheet" href="/leaflet/leaflet.css">
            <script src="/leaflet/leaflet.min.js" defer></script>

            """
        return #"""
            <!doctype html>
            <html lang="zh">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width,initial-scale=1">
            <title>Patrol</title>
            <link rel="icon" href="data:,">
            \#(hasLeaflet ? leaflet : "")<link rel="stylesheet" href="/console.css">
            <script src="/console.js" defer></script>
            </head>
            <body>
            <header>
              <h1>Patrol</h1>
              <span id="link" class="bad" role="status"></span>
              <span id="ready" role="status"></span>
              <span class="grow"></span>
              <time id="clock"></time>
              <button id="language" type="button"></button>
            </header>
            <p id="notice" class="notice" role="alert" hidden></p>
            <main>
              <div class="stack">
                <section aria-labelledby="alerts-title">
                  <h2 id="alerts-title"></h2>
                  <ol id="alerts" tabindex="0" aria-labelledby="alerts-title"></ol>
                </section>
                <section aria-labelledby="tasks-title">
                  <h2 id="tasks-title"></h2>
                  <ol id="tasks" tabindex="0" aria-labelledby="tasks-title"></ol>
                </section>
              </div>
              <div class="stack">
                <section aria-labelledby="map-title">
                  <h2 id="map-title"></h2>
                  <div id="map" role="application" aria-labelledby="map-title"></div>
                  <p id="key" class="dim"></p>
                </section>
                <section aria-labelledby="devices-title">
                  <h2 id="devices-title"></h2>
                  <div id="kinds" role="group" aria-labelledby="devices-title"></div>
                  <div class="scroll"><table><thead><tr id="columns"></tr></thead><tbody id="readings"></tbody></table></div>
                </section>
              </div>
            </main>
            <footer id="accounts"></footer>
            <noscript>This page needs JavaScript. 本页需要 JavaScript。</noscript>
            </body>
            </html>

            """#
    }
}
