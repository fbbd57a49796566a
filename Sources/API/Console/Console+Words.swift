extension Console {
    /// Script, part 1: the words of the page.
    static let words = #"""
        "use strict";
        const words = {
          zh: {
            alerts: "告警", tasks: "任务", map: "位置", devices: "设备", open: "未恢复", overdue: "超时", none: "暂无", other: "English",
            key: "方框：噪声监测点　圆点：车辆　小点：执法记录仪　大红圈：正在告警", up: "实时", down: "未连接",
            lost: t => `与 Patrol 的连接已中断，以下为 ${t} 时的内容，正在重连……`, ready: "运行正常", notReady: "异常：",
            firing: "告警", resolved: "已恢复", pending: "待定", info: "提示", warning: "警告", critical: "严重",
            respond: "响应", setOut: "出动", dispose: "处置", met: "已完成", over: "超时", unknown: "未知区域",
            noise: "噪声监测", vehicle: "车辆", bodycam: "执法记录仪", unit: "处置力量",
            time: "时间", device: "设备编号", name: "名称", area: "区域", value: "最新读数", seen: "上次上报", ago: "前", never: "未上报",
            battery: "电量", recording: "录像中", charging: "充电中", stopped: "熄火", heard: "近5分钟有上报",
            accounts: s => `读数账目：收到 ${s.received} = 已存 ${s.stored} + 重复 ${s.duplicate} + 拒收 ${s.rejected} + 丢弃 ${s.dropped}`,
            balanced: "　✓ 账目相符", unbalanced: "　✗ 账目不符，请运行 patrol doctor",
            reported: "上报", accepted: "受理", assigned: "分派", acknowledged: "签收", set_out: "出动", on_scene: "到场", disposed: "已处置",
            feedback: "反馈", verified: "核查", closed: "办结", returned: "退回", transferred: "转办", suspended: "挂起", cancelled: "作废",
            "noise-check": "噪声核查", "sos": "紧急求助", "battery-check": "电量核查"
          },
          en: {
            alerts: "Alerts", tasks: "Tasks", map: "Places", devices: "Devices", open: "open", overdue: "overdue", none: "nothing yet",
            other: "中文", key: "square: noise meter · dot: vehicle · small dot: body camera · large red ring: firing", up: "live",
            down: "not connected",
            lost: t => `The connection to Patrol is lost; this is what stood at ${t}. Trying again …`, ready: "running well",
            notReady: "Trouble: ", firing: "firing", resolved: "resolved", pending: "pending", info: "info", warning: "warning",
            critical: "critical", respond: "respond", setOut: "set out", dispose: "dispose", met: "done", over: "overdue",
            unknown: "unknown area", noise: "noise meters", vehicle: "vehicles", bodycam: "body cameras", unit: "unit",
            time: "time", device: "device", name: "name", area: "area", value: "newest reading", seen: "last seen", ago: " ago",
            never: "never", battery: "battery", recording: "recording", charging: "charging", stopped: "engine off",
            heard: "heard in 5 min",
            accounts: s => `Readings: ${s.received} received = ${s.stored} stored + ${s.duplicate} duplicate + ${s.rejected} rejected + ${s.dropped} dropped`,
            balanced: " ✓ balanced", unbalanced: " ✗ not balanced: run patrol doctor", set_out: "set out", on_scene: "on scene",
            "noise-check": "noise check", "sos": "emergency call", "battery-check": "battery check"
          }
        };
        """#
}
