"""What the platform files may hold, as JSON schemas: a member that is not named here is misspelt.

The parts of the platforms' own formats that we use; where a format comes from stands beside it.
"""


def thing(required, optional=None):
    """An object of these members and no others."""
    return {"type": "object", "additionalProperties": False, "required": sorted(required),
            "properties": {**required, **(optional or {})}}


def several(item, least=1):
    return {"type": "array", "items": item, "minItems": least}


def only(*values):
    return {"enum": list(values)}


TEXT = {"type": "string", "minLength": 1}
ANY_TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 0}
POSITIVE = {"type": "integer", "minimum": 1}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
TEXTS = several(TEXT)
NAMES = {"type": "object", "additionalProperties": ANY_TEXT, "minProperties": 1}
QUANTITY = {"type": "string", "pattern": r"^[0-9]+(m|Ki|Mi|Gi)?$"}

# Apache OpenWhisk, ExecManifest.scala: RuntimeManifest, ImageName, StemCell, ReactivePrewarmingConfig.
IMAGE = thing({"name": TEXT}, {"prefix": TEXT, "tag": TEXT, "registry": TEXT})
STEM_CELL = thing({"initialCount": POSITIVE, "memory": {"type": "string",
                                                        "pattern": r"^[0-9]+ (MB|GB)$"}},
                  {"reactive": thing({"minCount": COUNT, "maxCount": POSITIVE, "threshold": POSITIVE,
                                      "increment": POSITIVE, "ttl": {
                                          "type": "string",
                                          "pattern": r"^[0-9]+ (seconds|minutes|hours)$"}})})
RUNTIME = thing({"kind": {"type": "string", "pattern": r"^[a-z0-9]+:[a-z0-9.-]+$"}, "image": IMAGE},
                {"default": FLAG, "deprecated": FLAG, "requireMain": FLAG, "sentinelledLogs": FLAG,
                 "attached": thing({"attachmentName": TEXT, "attachmentType": TEXT}),
                 "stemCells": several(STEM_CELL)})
OPENWHISK = thing({"runtimes": {"type": "object", "additionalProperties": several(RUNTIME),
                                "propertyNames": {"pattern": "^[a-z0-9]+$"}}},
                  {"description": TEXTS, "blackboxes": several(IMAGE)})

# Kubernetes' API reference: apps/v1, v1, autoscaling/v2, policy/v1, networking.k8s.io/v1.
META = thing({"name": {"type": "string", "pattern": "^[a-z0-9-]+$"}}, {"labels": NAMES})
SELECTOR = thing({"matchLabels": NAMES})
PORT_REF = {"anyOf": [PORT, {"type": "string", "pattern": "^[a-z]{1,15}$"}]}
PROBE = thing({"httpGet": thing({"path": only("/healthz", "/readyz"), "port": PORT_REF})},
              {"periodSeconds": POSITIVE, "timeoutSeconds": POSITIVE, "failureThreshold": POSITIVE})
AMOUNTS = thing({"cpu": QUANTITY, "memory": QUANTITY})
CONTAINER = thing(
    {"image": TEXT, "ports": several(thing({"containerPort": PORT}, {"name": TEXT})),
     "env": several(thing({"name": TEXT, "value": ANY_TEXT})),
     "resources": thing({"requests": AMOUNTS, "limits": AMOUNTS}),
     "readinessProbe": PROBE,
     "securityContext": thing({"allowPrivilegeEscalation": only(False),
                               "readOnlyRootFilesystem": only(True),
                               "capabilities": thing({"drop": only(["ALL"])})},
                              {"runAsNonRoot": only(True),
                               "seccompProfile": thing({"type": only("RuntimeDefault")})}),
     "volumeMounts": several(thing({"name": TEXT, "mountPath": only("/tmp")}))},
    {"name": TEXT, "startupProbe": PROBE, "livenessProbe": PROBE})
VOLUMES = several(thing({"name": TEXT, "emptyDir": thing({}, {"sizeLimit": QUANTITY})}))
POD = thing({"containers": several(CONTAINER), "volumes": VOLUMES,
             "terminationGracePeriodSeconds": POSITIVE,
             "securityContext": thing({"runAsNonRoot": only(True), "runAsUser": POSITIVE},
                                      {"runAsGroup": POSITIVE, "fsGroup": POSITIVE,
                                       "seccompProfile": thing({"type": only("RuntimeDefault")})})},
            {"automountServiceAccountToken": FLAG, "enableServiceLinks": FLAG})


def kubernetes(version, kind, spec):
    return thing({"apiVersion": only(version), "kind": only(kind), "metadata": META, "spec": spec})


KUBERNETES = {
    "Deployment": kubernetes("apps/v1", "Deployment", thing({
        "selector": SELECTOR, "template": thing({
            "metadata": thing({"labels": NAMES}, {"annotations": NAMES}), "spec": POD})})),
    "Service": kubernetes("v1", "Service", thing({
        "selector": NAMES, "ports": several(thing({"name": TEXT, "port": PORT,
                                                   "targetPort": PORT_REF}))})),
    "HorizontalPodAutoscaler": kubernetes("autoscaling/v2", "HorizontalPodAutoscaler", thing({
        "scaleTargetRef": thing({"apiVersion": only("apps/v1"), "kind": only("Deployment"),
                                 "name": TEXT}),
        "minReplicas": POSITIVE, "maxReplicas": POSITIVE,
        "metrics": several({"oneOf": [
            thing({"type": only("Pods"), "pods": thing({
                "metric": thing({"name": TEXT}),
                "target": thing({"type": only("AverageValue"), "averageValue": QUANTITY})})}),
            thing({"type": only("Resource"), "resource": thing({
                "name": only("cpu", "memory"),
                "target": thing({"type": only("Utilization"),
                                 "averageUtilization": POSITIVE})})})]})})),
    "PodDisruptionBudget": kubernetes("policy/v1", "PodDisruptionBudget", thing({
        "minAvailable": POSITIVE, "selector": SELECTOR})),
    "NetworkPolicy": kubernetes("networking.k8s.io/v1", "NetworkPolicy", thing({
        "podSelector": SELECTOR, "policyTypes": only(["Ingress"]),
        "ingress": several(thing({
            "from": several(thing({}, {"podSelector": {"type": "object"},
                                       "namespaceSelector": SELECTOR})),
            "ports": several(thing({"protocol": only("TCP"), "port": PORT_REF}))}))})),
}

# Knative Serving's API: serving.knative.dev/v1.
KNATIVE = kubernetes("serving.knative.dev/v1", "Service", thing({"template": thing({
    "metadata": thing({"annotations": NAMES}),
    "spec": thing({"containerConcurrency": POSITIVE, "timeoutSeconds": POSITIVE,
                   "containers": {**several(CONTAINER), "maxItems": 1}, "volumes": VOLUMES})})}))

# The Prometheus operator's API: monitoring.coreos.com/v1.
POD_MONITOR = kubernetes("monitoring.coreos.com/v1", "PodMonitor", thing({
    "selector": SELECTOR, "podMetricsEndpoints": several(thing({
        "port": TEXT, "path": only("/metrics"), "interval": TEXT}))}))
# prometheus-adapter's values.
ADAPTER = thing({"rules": thing({"custom": several(thing({
    "seriesQuery": TEXT, "metricsQuery": TEXT, "name": thing({"matches": TEXT, "as": TEXT}),
    "resources": thing({"overrides": {"type": "object", "additionalProperties": thing({
        "resource": TEXT})}})}))})})

SECONDS = {"type": "string", "pattern": "^[0-9]+s$"}
HEALTHCHECK = thing({"test": only(["CMD", "/usr/bin/whiskloop", "--health"]), "interval": SECONDS,
                     "timeout": SECONDS, "start_period": SECONDS})

# The Compose specification.
COMPOSE = thing({"services": {"type": "object", "additionalProperties": thing({"image": TEXT}, {
    "read_only": FLAG, "tmpfs": TEXTS, "cap_drop": TEXTS, "security_opt": TEXTS,
    "mem_limit": {"type": "string", "pattern": "^[0-9]+[kmg]$"}, "pids_limit": POSITIVE,
    "stop_grace_period": SECONDS, "environment": NAMES, "healthcheck": HEALTHCHECK,
    "ports": TEXTS, "volumes": TEXTS})}})

# The form that docker stack reads: version 3.
STACK = thing({"version": only("3.8"), "services": {"type": "object", "additionalProperties": thing({
    "image": TEXT, "healthcheck": HEALTHCHECK, "stop_grace_period": SECONDS, "deploy": thing({
        "replicas": POSITIVE, "resources": thing({"limits": thing({"memory": TEXT})}),
        "update_config": thing({"order": only("start-first")},
                               {"parallelism": POSITIVE, "failure_action": only("rollback")}),
        "rollback_config": thing({"order": only("start-first")}),
        "restart_policy": thing({"condition": only("any"), "delay": SECONDS})})}, {
    "read_only": FLAG, "volumes": TEXTS, "cap_drop": TEXTS, "environment": NAMES, "ports": TEXTS})}})

# Prometheus' and Grafana's own pages on configuration.
PROMETHEUS = thing({"scrape_configs": several(thing({
    "job_name": TEXT}, {"static_configs": several(thing({"targets": TEXTS})), "dns_sd_configs": several(thing(
        {"names": TEXTS, "type": only("A"), "port": PORT, "refresh_interval": TEXT}))}))},
    {"global": thing({}, {"scrape_interval": TEXT, "evaluation_interval": TEXT}), "rule_files": TEXTS})
ALERTS = thing({"groups": several(thing({"name": TEXT, "rules": several(thing({
    "alert": {"type": "string", "pattern": "^Whiskloop[A-Za-z]+$"}, "expr": TEXT, "for": TEXT,
    "labels": NAMES, "annotations": thing({"summary": TEXT})}))}))})
DATASOURCES = thing({"apiVersion": only(1), "datasources": several(thing({
    "name": TEXT, "uid": TEXT, "type": only("prometheus"), "access": only("proxy"), "url": TEXT},
    {"isDefault": FLAG}))})
PROVIDERS = thing({"apiVersion": only(1), "providers": several(thing({
    "name": TEXT, "type": only("file"), "options": thing({"path": TEXT})}))})
DASHBOARD = {
    "type": "object", "required": ["uid", "title", "schemaVersion", "panels"],
    "properties": {"panels": several(thing({
        "id": POSITIVE, "type": only("timeseries"), "title": TEXT,
        "datasource": thing({"type": only("prometheus"), "uid": TEXT}),
        "gridPos": thing({"x": COUNT, "y": COUNT, "w": POSITIVE, "h": POSITIVE}),
        "fieldConfig": {"type": "object"}, "options": {"type": "object"},
        "targets": several(thing({"refId": TEXT, "expr": TEXT, "legendFormat": TEXT}))}))}}
