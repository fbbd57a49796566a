/// The page of the operator on duty: one file that needs nothing from the network but this server.
enum Console {
    static let page = #"""
        <!doctype html>
        <html lang="zh"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
        <title>Patrol</title><link rel="icon" href="data:,">
        <style>
        :root{color-scheme:dark;--bg:#0d1117;--panel:#161b22;--line:#2b333d;--text:#d7dee6;--dim:#8b97a5;--info:#58a6ff;
        --warning:#e3a72f;--critical:#ff6b61;--good:#4bb765}
        *{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--text);
        font:14px/1.45 system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif}
        header{display:flex;gap:16px;align-items:center;padding:10px 16px;border-bottom:1px solid var(--line);flex-wrap:wrap}
        h1{font-size:17px;margin:0}h2{font-size:14px;margin:0 0 8px;color:var(--dim);font-weight:600}
        #link::before{content:"● "}.up{color:var(--good)}.down{color:var(--critical)}
        .grow{flex:1}button{background:var(--panel);color:var(--text);border:1px solid var(--line);border-radius:6px;
        padding:4px 12px;font:inherit;cursor:pointer}
        #counts{display:grid;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));gap:10px;padding:12px 16px 0}
        .count{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:8px 12px}
        .count b{display:block;font-size:22px;font-variant-numeric:tabular-nums}.count span{color:var(--dim)}
        main{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:12px;padding:12px 16px}
        section{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:12px;overflow:hidden}
        @media(max-width:900px){main{grid-template-columns:minmax(0,1fr)}}
        ol{list-style:none;margin:0;padding:0;max-height:42vh;overflow-y:auto}
        li{display:grid;grid-template-columns:64px 66px minmax(0,1fr) auto;gap:10px;padding:6px 8px;border-left:3px solid var(--line);
        border-bottom:1px solid var(--line)}li.done{opacity:.5}
        li.info{border-left-color:var(--info)}li.warning{border-left-color:var(--warning)}li.critical{border-left-color:var(--critical)}
        li.fresh{background:#1f2a38}time,.value{font-variant-numeric:tabular-nums;color:var(--dim)}
        .value{color:var(--text);font-weight:600}.what small{display:block;color:var(--dim);overflow-wrap:anywhere}
        .late{color:var(--critical)}.none{color:var(--dim);padding:8px}canvas{width:100%;height:60vh;display:block}
        .stack{display:grid;gap:12px;align-content:start}.key{color:var(--dim);font-size:12px}
        </style></head><body>
        <header><h1>Patrol</h1><span id="link" class="down"></span><span id="ready"></span><span class="grow"></span>
        <time id="clock"></time><button id="lang"></button></header>
        <div id="counts"></div>
        <main><div class="stack"><section><h2 data-t="alerts"></h2><ol id="alerts"></ol></section>
        <section><h2 data-t="tasks"></h2><ol id="tasks"></ol></section></div>
        <section><h2 data-t="map"></h2><canvas id="map"></canvas><div class="key" data-t="key"></div></section></main>
        <script>
        "use strict";
        const words={zh:{alerts:"告警",tasks:"任务",map:"位置",key:"方形：噪声监测点 · 圆点：车辆 · 小点：执法记录仪 · 红圈：正在告警",up:"实时",
        down:"连接中断，正在重连",ready:"运行正常",alerts_firing:"正在告警",alerts_all:"告警总数",tasks_all:"任务",devices:"设备",
        stored:"已存读数",rejected:"拒收读数",firing:"告警",resolved:"恢复",pending:"待定",none:"暂无",lang:"English",
        due:"应于",respond:"响应",unknown:"未知区域",reported:"上报","noise-check":"噪声核查"},
        en:{alerts:"Alerts",tasks:"Tasks",map:"Places",key:"square: noise meter · dot: vehicle · small dot: body camera · red ring: firing",
        up:"live",down:"disconnected, trying again",ready:"running well",alerts_firing:"firing now",alerts_all:"alerts",tasks_all:"tasks",
        devices:"devices",stored:"readings stored",rejected:"readings rejected",firing:"firing",resolved:"resolved",pending:"pending",
        none:"nothing yet",lang:"中文",due:"by",respond:"respond",unknown:"unknown area"}};
        let lang=localStorage.getItem("lang")||(navigator.language.startsWith("zh")?"zh":"en");
        const t=k=>words[lang][k]??k,$=id=>document.getElementById(id),keep=100;
        const alerts=new Map(),tasks=new Map(),titles=new Map(),fresh=new Set();let places=[],summary={},ready=null,live=false,queued=false;
        const hm=new Intl.DateTimeFormat("en-GB",{timeZone:"Asia/Shanghai",hour:"2-digit",minute:"2-digit",second:"2-digit"});
        const get=async p=>{const r=await fetch(p);if(!r.ok&&r.status!==503)throw new Error(r.status);return r.json()};
        const el=(tag,cls,text)=>{const e=document.createElement(tag);if(cls)e.className=cls;if(text!=null)e.textContent=text;return e};
        const area=a=>!a||a==="unknown"?t("unknown"):a;
        function title(rule){const x=titles.get(rule);return x?x[lang]||x.en:rule}
        function row(cls,at,state,head,tail,value,late){const li=el("li",cls);li.append(el("time",late?"late":"",hm.format(at)),el("span","",state));
        const w=el("div","what",head);w.append(el("small","",tail));li.append(w,el("span","value",value));return li}
        function fill(id,items,make){const list=$(id),top=list.scrollTop;list.replaceChildren(...(items.length?items.map(make):[el("li","none",t("none"))]));
        list.scrollTop=top}
        function trim(map,key){const s=[...map.values()].sort((a,b)=>b[key]-a[key]);for(const x of s.slice(keep))map.delete(x.id);return s.slice(0,keep)}
        const at=a=>a.resolved_at||a.fired_at||a.started_at;
        function draw(){queued=false;document.documentElement.lang=lang;$("lang").textContent=t("lang");
        for(const e of document.querySelectorAll("[data-t]"))e.textContent=t(e.dataset.t);
        $("link").textContent=t(live?"up":"down");$("link").className=live?"up":"down";
        $("ready").textContent=ready?(ready.ready?t("ready"):ready.reasons.join("; ")):"";$("ready").className=ready&&!ready.ready?"down":"";
        const c=[["alerts_firing",summary.alerts_firing],["alerts_all",summary.alerts],["tasks_all",summary.tasks],["devices",summary.devices],
        ["stored",summary.stored],["rejected",summary.rejected]];
        $("counts").replaceChildren(...c.map(([k,v])=>{const d=el("div","count");d.append(el("b","",v==null?"–":v.toLocaleString("en")),el("span","",t(k)));return d}));
        const shown=trim(alerts,"started_at").sort((a,b)=>(a.state==="resolved")-(b.state==="resolved")||at(b)-at(a));
        fill("alerts",shown,a=>row(`${a.severity} ${a.state==="resolved"?"done":""} ${fresh.has(a.id)?"fresh":""}`,at(a),t(a.state),
        title(a.rule),`${a.name||""} ${a.device} · ${area(a.area)}`,`${a.value.toFixed(1)} ${(titles.get(a.rule)||{}).unit||""}`));
        fill("tasks",trim(tasks,"created_at"),k=>row(fresh.has(k.id)?"fresh":"",k.created_at,t(k.stage),t(k.kind),
        `${k.device||""} ${k.unit||""} · ${area(k.area)} · ${k.id}`,`${t("respond")} ${t("due")} ${hm.format(k.respond_due)}`));map()}
        function later(){if(!queued){queued=true;requestAnimationFrame(draw)}}
        function map(){const c=$("map"),r=devicePixelRatio||1,w=c.clientWidth,h=c.clientHeight;c.width=w*r;c.height=h*r;const g=c.getContext("2d");g.scale(r,r);
        if(!places.length)return;const q=(v,p)=>{const s=[...v].sort((a,b)=>a-b);return s[Math.floor((s.length-1)*p)]};
        const xs=places.map(p=>p.lon),ys=places.map(p=>p.lat),x0=q(xs,.01),x1=q(xs,.99),y0=q(ys,.01),y1=q(ys,.99),k=Math.cos((y0+y1)/2*Math.PI/180),
        s=Math.min((w-40)/Math.max((x1-x0)*k,.005),(h-40)/Math.max(y1-y0,.005)),
        X=l=>w/2+(l-(x0+x1)/2)*k*s,Y=l=>h/2-(l-(y0+y1)/2)*s;
        const hot=new Set([...alerts.values()].filter(a=>a.state==="firing").map(a=>a.kind+" "+a.device));
        for(const p of places){const x=X(p.lon),y=Y(p.lat);g.globalAlpha=.85;
        if(p.kind==="noise"){g.fillStyle="#58a6ff";g.fillRect(x-2.5,y-2.5,5,5)}
        else{g.beginPath();g.fillStyle=p.kind==="vehicle"?"#4bb765":"#8b97a5";g.arc(x,y,p.kind==="vehicle"?3.5:1.8,0,7);g.fill()}
        if(hot.has(p.kind+" "+p.device)){g.beginPath();g.strokeStyle="#ff6b61";g.lineWidth=2;g.arc(x,y,8,0,7);g.stroke()}}}
        async function load(){const[a,k,n]=await Promise.all([get("/api/v1/alerts?limit=100"),get("/api/v1/tasks?limit=100"),get("/api/v1/titles")]);
        for(const x of n.items)titles.set(x.rule,x);for(const x of a.items)alerts.set(x.id,x);for(const x of k.items)tasks.set(x.id,x);later()}
        async function glance(){try{[summary,ready]=await Promise.all([get("/api/v1/summary"),get("/readyz")])}catch{}later()}
        async function where(){try{places=(await get("/api/v1/positions")).items}catch{}later()}
        function mark(id){fresh.add(id);setTimeout(()=>{fresh.delete(id);later()},4000)}
        function follow(){const s=new EventSource("/api/v1/stream");
        s.onopen=()=>{live=true;load().catch(()=>{});later()};s.onerror=()=>{live=false;later();
        if(s.readyState===2)setTimeout(follow,3000)};
        s.addEventListener("alert",e=>{const d=JSON.parse(e.data).data;titles.set(d.rule,{...d.title,unit:d.unit});
        alerts.set(d.id,{...alerts.get(d.id),...d});mark(d.id);later()});
        s.addEventListener("task",e=>{const d=JSON.parse(e.data).data;const a=alerts.get(d.alert_id);
        tasks.set(d.id,{device:a&&a.device,...tasks.get(d.id),...d});mark(d.id);later()})}
        $("lang").onclick=()=>{lang=lang==="zh"?"en":"zh";localStorage.setItem("lang",lang);later()};addEventListener("resize",later);
        setInterval(()=>{$("clock").textContent=hm.format(Date.now())},1000);setInterval(glance,2000);setInterval(where,5000);
        glance();where();follow();later();
        </script></body></html>
        """#
}
