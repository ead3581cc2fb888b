"""How a panel, a row and a dashboard look, the same everywhere.

In an expression `@` stands for the two variables that choose processes; `%` for the namespace
alone, which is all that recorded series have.
"""

import re

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
PROCESSES = 'namespace=~"$namespace",job=~"$job"'
NAMESPACE = 'namespace=~"$namespace"'
RUNBOOKS = "${runbooks}"
WIDTH = 24


def rate(metric, by="", labels=""):
    """How often something happens, each second. Nothing yet is 0, not a hole."""
    of = f"@,{labels}" if labels else "@"
    group = f"by ({by}) " if by else ""
    return f"sum {group}(rate({metric}{{{of}}}[$__rate_interval])) or on () vector(0)"


def quantile(share, metric, by="", labels=""):
    """What `share` of all stay below; `metric` is a histogram."""
    of = f"@,{labels}" if labels else "@"
    group = f"{by}, le" if by else "le"
    return (
        f"histogram_quantile({share}, sum by ({group}) "
        f"(rate({metric}_bucket{{{of}}}[$__rate_interval])))"
    )


def mean(metric, by):
    return (
        f"sum by ({by}) (rate({metric}_sum{{@}}[$__rate_interval]))"
        f" / sum by ({by}) (rate({metric}_count{{@}}[$__rate_interval]))"
    )


def _expand(expression):
    expression = re.sub(r"\{@", "{" + PROCESSES, expression)
    return re.sub(r"\{%", "{" + NAMESPACE, expression)


def _targets(queries, instant=False):
    targets = []
    for letter, (expression, legend) in zip("ABCDEFGH", queries):
        target = {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": _expand(expression),
            "legendFormat": legend,
            "range": not instant,
            "refId": letter,
        }
        if instant:
            target["instant"] = True
        targets.append(target)
    return targets


def _thresholds(limits):
    """`limits`: (from which value, colour); below the first one everything is well."""
    steps = [{"color": "green", "value": None}]
    steps += [{"color": colour, "value": value} for value, colour in limits]
    return {"mode": "absolute", "steps": steps}


def _panel(kind, title, description, unit, queries, limits, runbook, decimals):
    defaults = {
        "color": {"mode": "thresholds" if kind == "stat" else "palette-classic"},
        "thresholds": _thresholds(limits),
        "unit": unit,
    }
    if decimals is not None:
        defaults["decimals"] = decimals
    panel = {
        "datasource": DATASOURCE,
        "description": description,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": _targets(queries),
        "title": title,
        "type": kind,
    }
    if runbook:
        panel["links"] = [
            {"targetBlank": True, "title": "What to do", "url": f"{RUNBOOKS}/{runbook}.md"}
        ]
    return panel


def stat(title, description, unit, queries, limits=(), runbook=None, decimals=None):
    """One number, coloured by what it means, with its course behind it."""
    panel = _panel("stat", title, description, unit, queries, limits, runbook, decimals)
    panel["options"] = {
        "colorMode": "background",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "value_and_name" if len(queries) > 1 or "{{" in queries[0][1] else "value",
    }
    return panel


def graph(
    title, description, unit, queries, limits=(), runbook=None, decimals=None, stacked=False
):
    """Lines over time. Limits are drawn, so that the eye need not know them."""
    panel = _panel("timeseries", title, description, unit, queries, limits, runbook, decimals)
    panel["fieldConfig"]["defaults"]["min"] = 0
    panel["fieldConfig"]["defaults"]["custom"] = {
        "drawStyle": "line",
        "fillOpacity": 40 if stacked else 10,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "thresholdsStyle": {"mode": "dashed" if limits else "off"},
    }
    panel["options"] = {
        "legend": {
            "calcs": ["lastNotNull", "max"],
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel


def states(title, description, queries, runbook=None):
    """1 is well, 0 is not, as bars over time."""
    panel = _panel("state-timeline", title, description, "short", queries, (), runbook, None)
    defaults = panel["fieldConfig"]["defaults"]
    defaults["thresholds"] = {
        "mode": "absolute",
        "steps": [{"color": "red", "value": None}, {"color": "green", "value": 1}],
    }
    defaults["color"] = {"mode": "thresholds"}
    defaults["custom"] = {"fillOpacity": 70, "lineWidth": 0}
    defaults["mappings"] = [
        {
            "options": {"0": {"index": 0, "text": "away"}, "1": {"index": 1, "text": "there"}},
            "type": "value",
        }
    ]
    panel["options"] = {
        "alignValue": "left",
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "mergeValues": True,
        "rowHeight": 0.9,
        "showValue": "never",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return panel


def heatmap(title, description, metric, labels="", runbook=None):
    """Where the answers of a histogram lie, by its buckets."""
    of = f"@,{labels}" if labels else "@"
    query = f"sum by (le) (rate({metric}_bucket{{{of}}}[$__rate_interval]))"
    panel = _panel("heatmap", title, description, "s", [(query, "{{le}}")], (), runbook, None)
    panel["targets"][0]["format"] = "heatmap"
    panel["fieldConfig"]["defaults"].pop("color")
    panel["options"] = {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
        "legend": {"show": True},
        "tooltip": {"show": True, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "unit": "s"},
    }
    return panel


def _variable(name, label, description, query):
    return {
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": DATASOURCE,
        "definition": query,
        "description": description,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": name,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "type": "query",
    }


def _variables():
    return [
        {
            "description": "The Prometheus that scrapes Grantline",
            "label": "Data source",
            "name": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "type": "datasource",
        },
        _variable(
            "namespace",
            "Namespace",
            "One namespace, one instance of Grantline",
            "label_values(grantline_build_info, namespace)",
        ),
        _variable(
            "job",
            "Job",
            "What Prometheus scrapes together: in a cluster, a role",
            f"label_values(grantline_build_info{{{NAMESPACE}}}, job)",
        ),
        {
            "current": {"selected": False, "text": "deploy/runbooks", "value": "deploy/runbooks"},
            "description": "Where your copy of deploy/runbooks is read",
            "label": "Runbooks at",
            "name": "runbooks",
            "options": [],
            "query": "deploy/runbooks",
            "type": "textbox",
        },
    ]


def _laid_out(rows):
    """Each row: a title, a height, and panels that share its width evenly."""
    panels, top = [], 0
    for title, height, row in rows:
        panels.append(
            {
                "collapsed": False,
                "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": top},
                "panels": [],
                "title": title,
                "type": "row",
            }
        )
        top += 1
        left = 0
        for place, panel in enumerate(row):
            right = WIDTH * (place + 1) // len(row)
            panel["gridPos"] = {"h": height, "w": right - left, "x": left, "y": top}
            panels.append(panel)
            left = right
        top += height
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return panels


def dashboard(slug, title, description, rows, since="now-1h"):
    return {
        "annotations": {"list": []},
        "description": description,
        "editable": True,
        "graphTooltip": 1,
        "links": [
            {
                "asDropdown": False,
                "icon": "external link",
                "includeVars": True,
                "keepTime": True,
                "tags": ["grantline"],
                "title": "Grantline",
                "type": "dashboards",
            },
            {
                "icon": "doc",
                "targetBlank": True,
                "title": "Runbooks",
                "type": "link",
                "url": RUNBOOKS,
            },
        ],
        "panels": _laid_out(rows),
        "refresh": "15s",
        "schemaVersion": 38,
        "tags": ["grantline"],
        "templating": {"list": _variables()},
        "time": {"from": since, "to": "now"},
        "timezone": "browser",
        "title": f"Grantline / {title}",
        "uid": f"grantline-{slug}",
        "version": 1,
    }
