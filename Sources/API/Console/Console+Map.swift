extension Console {
    /// Script, part 3: the map. With Leaflet it moves and zooms; without it the same marks are drawn on a canvas. There are
    /// no tiles: they would come from the internet. The names of areas stand in the middle of their devices.
    static let map = #"""
        const look = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
        const markSize = { noise: 4, vehicle: 5, bodycam: 2.5 };
        function firingKeys() {
          return new Set([...page.alerts.values()].filter(a => a.state === "firing").map(a => a.kind + " " + a.device));
        }
        function areaMiddles() {
          const sums = new Map();
          for (const p of page.positions) {
            const device = deviceOf(p.kind, p.device);
            if (!device || !page.areas.has(shortCode(device.area || ""))) continue;
            const s = sums.get(device.area) || [0, 0, 0];
            sums.set(device.area, [s[0] + p.lat, s[1] + p.lon, s[2] + 1]);
          }
          return [...sums].map(([area, s]) => ({ area, lat: s[0] / s[2], lon: s[1] / s[2] }));
        }
        // A wrong fix far away must not shrink the district to a point: the outermost hundredth does not count.
        function bounds() {
          const part = (values, p) => values.sort((a, b) => a - b)[Math.round((values.length - 1) * p)];
          const lats = page.positions.map(p => p.lat), lons = page.positions.map(p => p.lon);
          return [[part(lats, .01), part(lons, .01)], [part(lats, .99), part(lons, .99)]];
        }

        const leafletMap = {
          start() {
            this.view = L.map("map", { preferCanvas: true, attributionControl: false, zoomSnap: .25 }).setView([30.3, 120], 10);
            L.control.scale({ imperial: false }).addTo(this.view);
            this.marks = new Map();
            this.names = L.layerGroup().addTo(this.view);
          },
          draw() {
            const hot = firingKeys(), seen = new Set();
            for (const p of page.positions) {
              const key = p.kind + " " + p.device;
              seen.add(key);
              let mark = this.marks.get(key);
              if (!mark) {
                mark = p.kind === "noise" ? new SquareMark([p.lat, p.lon]) : L.circleMarker([p.lat, p.lon]);
                mark.bindTooltip(() => make("span", "", `${p.name || ""} ${p.device}`)).addTo(this.view);
                this.marks.set(key, mark);
              }
              mark.setLatLng([p.lat, p.lon]);
              const isHot = hot.has(key), color = look(isHot ? "critical" : p.kind), style = key + isHot + color;
              if (mark.patrolStyle === style) continue;
              mark.patrolStyle = style;
              mark.setRadius(isHot ? 11 : markSize[p.kind]);
              mark.setStyle({ color, weight: isHot ? 4 : 1, fillColor: look(p.kind), fillOpacity: isHot ? .15 : .8 });
              if (isHot) mark.bringToFront();
            }
            for (const [key, mark] of this.marks) if (!seen.has(key)) { mark.remove(); this.marks.delete(key) }
            this.names.clearLayers();
            for (const m of areaMiddles()) {
              const icon = L.divIcon({ html: make("span", "area-name", areaName(m.area)), className: "", iconSize: [90, 16] });
              this.names.addLayer(L.marker([m.lat, m.lon], { icon, interactive: false, keyboard: false }));
            }
            if (!this.fitted && page.positions.length) { this.fitted = true; this.view.fitBounds(bounds(), { padding: [20, 20] }) }
          },
          show(position) { this.view.setView([position.lat, position.lon], 14); const m = this.marks.get(position.kind + " " + position.device); if (m) m.openTooltip() }
        };
        const SquareMark = window.L && L.CircleMarker.extend({
          _updatePath() {
            const canvas = this._renderer._ctx, r = this._radius, c = this._point;
            if (!canvas || !this._renderer._drawing || this._empty()) return;
            canvas.beginPath();
            if (r > 8) canvas.arc(c.x, c.y, r, 0, 7); else canvas.rect(c.x - r, c.y - r, 2 * r, 2 * r);
            this._renderer._fillStroke(canvas, this);
          }
        });

        const plainMap = {
          start() {
            $("map").className = "plain";
            this.canvas = make("canvas");
            $("map").append(this.canvas);
            addEventListener("resize", later);
          },
          draw() {
            const { clientWidth: width, clientHeight: height } = this.canvas, ratio = devicePixelRatio || 1;
            this.canvas.width = width * ratio;
            this.canvas.height = height * ratio;
            const g = this.canvas.getContext("2d");
            g.scale(ratio, ratio);
            if (!page.positions.length) return;
            const [[south, west], [north, east]] = bounds(), narrow = Math.cos((south + north) / 2 * Math.PI / 180);
            const scale = Math.min((width - 40) / Math.max((east - west) * narrow, .005), (height - 40) / Math.max(north - south, .005));
            const x = lon => width / 2 + (lon - (west + east) / 2) * narrow * scale, y = lat => height / 2 - (lat - (south + north) / 2) * scale;
            const hot = firingKeys();
            for (const p of page.positions) {
              const isHot = hot.has(p.kind + " " + p.device), r = markSize[p.kind];
              g.fillStyle = look(p.kind);
              g.beginPath();
              if (p.kind === "noise") g.rect(x(p.lon) - r, y(p.lat) - r, 2 * r, 2 * r); else g.arc(x(p.lon), y(p.lat), r, 0, 7);
              g.fill();
              if (!isHot && this.chosen !== p.device) continue;
              g.strokeStyle = look(isHot ? "critical" : "accent");
              g.lineWidth = 4;
              g.beginPath();
              g.arc(x(p.lon), y(p.lat), 11, 0, 7);
              g.stroke();
            }
            g.fillStyle = look("dim");
            g.font = "12px sans-serif";
            g.textAlign = "center";
            for (const m of areaMiddles()) g.fillText(areaName(m.area), x(m.lon), y(m.lat));
          },
          show(position) { this.chosen = position.device; later() }
        };

        const view = window.L ? leafletMap : plainMap;
        function drawMap() {
          $("map-title").textContent = say("map");
          $("key").textContent = say("key");
          view.draw();
        }
        function showOnMap(kind, device) {
          const position = page.positions.find(p => p.kind === kind && p.device === device);
          if (position) view.show(position);
        }
        """#
}
