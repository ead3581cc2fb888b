{{/*
What a component is told: `defaults` below the role's own values, for workers also `worker` below
those of the lane. As JSON. Written out because the library's merge lets no `false` and no 0 win.
*/}}
{{- define "grantline.settings" -}}
{{- $values := .root.Values -}}
{{- $role := include "grantline.role" .component -}}
{{- $settings := deepCopy $values.defaults -}}
{{- include "grantline.overlay" (dict "base" $settings "top" (index $values $role)) -}}
{{- if eq $role "worker" -}}
{{- $lane := index $values.workers (trimPrefix "worker-" .component) -}}
{{- include "grantline.overlay" (dict "base" $settings "top" $lane) -}}
{{- end -}}
{{- toJson $settings -}}
{{- end -}}

{{- define "grantline.overlay" -}}
{{- range $key, $value := .top -}}
{{- /* A reference to a secret is one thing: half of another one must not shine through. */ -}}
{{- $isWhole := and (kindIs "map" $value) (hasKey (default dict $value) "secret") (hasKey (default dict $value) "key") -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $.base $key)) (not $isWhole) -}}
{{- include "grantline.overlay" (dict "base" (get $.base $key) "top" $value) -}}
{{- else -}}
{{- $_ := set $.base $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The fewest pods a component ever has. */}}
{{- define "grantline.leastPods" -}}
{{- $settings := include "grantline.settings" . | fromJson -}}
{{- if include "grantline.scales" . -}}{{ $settings.autoscaling.min }}{{- else -}}{{ $settings.replicas }}{{- end -}}
{{- end -}}

{{/* Who scales a component: `keda`, `hpa`, or nobody. */}}
{{- define "grantline.scales" -}}
{{- $settings := include "grantline.settings" . | fromJson -}}
{{- if and .root.Values.keda.enabled (hasPrefix "worker-" .component) -}}keda
{{- else if $settings.autoscaling.enabled -}}hpa
{{- end -}}
{{- end -}}

{{/* The configuration of a component without its secrets, as a tree. */}}
{{- define "grantline.config" -}}
{{- $values := .root.Values -}}
{{- $role := include "grantline.role" .component -}}
{{- $own := .settings.config -}}
{{- $all := deepCopy $values.config -}}
{{- include "grantline.overlay" (dict "base" $all "top" $own) -}}
{{- $sections := list "telemetry" "ledger" "broker" -}}
{{- if eq $role "worker" -}}
{{- $sections = concat $sections (list "worker" "claim") -}}
{{- else if ne $role "migrate" -}}
{{- $sections = append $sections $role -}}
{{- end -}}
{{- $tree := dict -}}
{{- range $section := $sections -}}
{{- with get $all $section -}}{{- $_ := set $tree $section . -}}{{- end -}}
{{- end -}}
{{- if eq $role "api" -}}
{{- range $name, $key := $values.apiKeys -}}
{{- $_ := set $tree "api" (deepCopy (default dict $tree.api)) -}}
{{- $_ := set $tree.api "keys" (default dict $tree.api.keys) -}}
{{- $_ := set $tree.api.keys $name (omit $key "secret") -}}
{{- end -}}
{{- end -}}
{{- if ne $role "migrate" -}}
{{- $keys := include "grantline.projectKeys" $role | fromJsonArray -}}
{{- $projects := dict -}}
{{- range $id, $project := $values.projects -}}
{{- $known := dict -}}
{{- range $key := $keys -}}
{{- if hasKey (default dict $project.config) $key -}}{{- $_ := set $known $key (get $project.config $key) -}}{{- end -}}
{{- end -}}
{{- $_ := set $projects $id $known -}}
{{- end -}}
{{- with $projects -}}{{- $_ := set $tree "projects" . -}}{{- end -}}
{{- end -}}
{{- toJson $tree -}}
{{- end -}}

{{/* What of a project is a role's business. */}}
{{- define "grantline.projectKeys" -}}
{{- if eq . "ingress" -}}["webhook_secrets","order_webhook_secrets","players","studio","web_shop","quarantine"]
{{- else if eq . "worker" -}}["grant"]
{{- else if eq . "publisher" -}}["publisher"]
{{- else if eq . "api" -}}["rehearsal"]
{{- else -}}[]
{{- end -}}
{{- end -}}

{{/* The secrets of a component by the path of their key, as a tree of references. */}}
{{- define "grantline.secretTree" -}}
{{- $values := .root.Values -}}
{{- $role := include "grantline.role" .component -}}
{{- $all := deepCopy $values.secrets -}}
{{- include "grantline.overlay" (dict "base" $all "top" .settings.secrets) -}}
{{- $tree := dict "ledger" $all.ledger "broker" $all.broker -}}
{{- if ne $role "migrate" -}}{{- $_ := set $tree "broker" (omit $all.broker "management_url") -}}{{- end -}}
{{- if eq $role "worker" -}}{{- $_ := set $tree "claim" $all.claim -}}{{- end -}}
{{- if eq $role "api" -}}
{{- $keys := dict -}}
{{- range $name, $key := $values.apiKeys -}}{{- $_ := set $keys $name (pick $key "secret") -}}{{- end -}}
{{- $_ := set $tree "api" (dict "keys" $keys) -}}
{{- end -}}
{{- $projectKeys := include "grantline.projectKeys" $role | fromJsonArray -}}
{{- $projects := dict -}}
{{- range $id, $project := $values.projects -}}
{{- $known := dict -}}
{{- range $key, $reference := (default dict $project.secrets) -}}
{{- if has $key $projectKeys -}}{{- $_ := set $known $key $reference -}}{{- end -}}
{{- end -}}
{{- $_ := set $projects $id $known -}}
{{- end -}}
{{- $_ := set $tree "projects" $projects -}}
{{- toJson $tree -}}
{{- end -}}

{{/* Writes a configuration tree into the environment `into`, which is by name. */}}
{{- define "grantline.flatten" -}}
{{- range $key, $value := .tree -}}
{{- $name := printf "%s__%s" $.prefix (upper $key) -}}
{{- if and (kindIs "map" $value) $value -}}
{{- include "grantline.flatten" (dict "prefix" $name "tree" $value "into" $.into) -}}
{{- else if kindIs "string" $value -}}
{{- $_ := set $.into $name $value -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $.into $name (toJson $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Writes a tree of references into `env`, which is by name, and `files`, a list of what is mounted:
path, secret, key, remote.
*/}}
{{- define "grantline.flattenSecrets" -}}
{{- range $key, $value := .tree -}}
{{- $name := printf "%s__%s" $.prefix (upper $key) -}}
{{- $path := trimPrefix "." (printf "%s.%s" $.path $key) -}}
{{- if kindIs "slice" $value -}}
{{- $paths := list -}}
{{- range $index, $reference := $value -}}
{{- $file := printf "%s.%d" $path $index -}}
{{- $paths = append $paths (printf "/etc/grantline/secrets/%s" $file) -}}
{{- $_ := set $.into "files" (append $.into.files (merge (dict "path" $file) $reference)) -}}
{{- end -}}
{{- $_ := set $.into.env (printf "%s_FILE" $name) (toJson $paths) -}}
{{- else if and (hasKey $value "secret") (kindIs "string" $value.secret) -}}
{{- $_ := set $.into "files" (append $.into.files (merge (dict "path" $path) $value)) -}}
{{- $_ := set $.into.env (printf "%s_FILE" $name) (printf "/etc/grantline/secrets/%s" $path) -}}
{{- else -}}
{{- include "grantline.flattenSecrets" (dict "prefix" $name "path" $path "tree" $value "into" $.into) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Environment and secret files of a component: `env` by name, `files` as mounted. */}}
{{- define "grantline.environment" -}}
{{- $into := dict "env" dict "files" list -}}
{{- $values := .root.Values -}}
{{- include "grantline.flatten" (dict "prefix" "GRANTLINE" "tree" (include "grantline.config" . | fromJson) "into" $into.env) -}}
{{- include "grantline.flattenSecrets" (dict "prefix" "GRANTLINE" "path" "" "tree" (include "grantline.secretTree" . | fromJson) "into" $into) -}}
{{- $role := include "grantline.role" .component -}}
{{- if ne $role "migrate" -}}
{{- $_ := set $into.env "GRANTLINE__ADMIN__LISTEN" (printf "%s:%v" $values.listenAddress $values.ports.admin) -}}
{{- end -}}
{{- with get $values.ports $role -}}
{{- $_ := set $into.env (printf "GRANTLINE__%s__LISTEN" (upper $role)) (printf "%s:%v" $values.listenAddress .) -}}
{{- end -}}
{{- toJson $into -}}
{{- end -}}

{{/*
How long a drain may take, in seconds: what the binary itself allows the role (roles.rs), from the
values its configuration is made of.
*/}}
{{- define "grantline.drainSeconds" -}}
{{- $all := deepCopy .root.Values.config -}}
{{- include "grantline.overlay" (dict "base" $all "top" .settings.config) -}}
{{- $finish := 15 -}}
{{- $role := include "grantline.role" .component -}}
{{- if eq $role "worker" -}}
{{- max $finish (trimSuffix "s" $all.worker.drain_timeout | int) -}}
{{- else if eq $role "publisher" -}}
{{- add $finish (trimSuffix "s" $all.publisher.drain_spread | int) -}}
{{- else -}}
{{- $finish -}}
{{- end -}}
{{- end -}}

{{/*
terminationGracePeriodSeconds: leaving the endpoints, the drain, and then at most 2 s to drop what
blocks, 10 s to let go of the servers, 5 s for the last telemetry; and a margin.
*/}}
{{- define "grantline.graceSeconds" -}}
{{- add .settings.preStopSeconds (include "grantline.drainSeconds" .) 17 .settings.graceMarginSeconds -}}
{{- end -}}

{{/*
minReadySeconds: as said, or where it is 0 as long as a pod that leaves is at it as a rule, and a
margin, so that one is gone before the next one goes.
*/}}
{{- define "grantline.minReadySeconds" -}}
{{- if .settings.minReadySeconds -}}
{{- .settings.minReadySeconds -}}
{{- else -}}
{{- $all := deepCopy .root.Values.config -}}
{{- include "grantline.overlay" (dict "base" $all "top" .settings.config) -}}
{{- $spread := ternary $all.publisher.drain_spread "0s" (eq .component "publisher") -}}
{{- add .settings.preStopSeconds (trimSuffix "s" $spread | int) 5 -}}
{{- end -}}
{{- end -}}

{{/* Messages a pod of a worker, for KEDA. */}}
{{- define "grantline.backlogPerPod" -}}
{{- $all := deepCopy .root.Values.config -}}
{{- include "grantline.overlay" (dict "base" $all "top" .settings.config) -}}
{{- default (mul (int .root.Values.keda.timesHeld) (int $all.worker.lanes) (int $all.worker.prefetch)) (int .root.Values.keda.backlogPerPod) -}}
{{- end -}}

{{/* The port of an HTTP URL. */}}
{{- define "grantline.portOf" -}}
{{- $host := (urlParse .).host -}}
{{- if regexMatch ":[0-9]+$" $host -}}
{{- regexFind "[0-9]+$" $host -}}
{{- else -}}
{{- ternary "443" "80" (hasPrefix "https:" .) -}}
{{- end -}}
{{- end -}}
