"""Keeps of the schema of one resource type what a template may write.

Standard input: what `azmcp bicepschema get --resource-type TYPE` prints. Arguments: the type,
and the file of its provider, to which it is added. Descriptions, functions and whatever is only
read are left out; a required property has an exclamation mark behind its type.
"""

import json
import pathlib
import re
import sys

SOURCE = "msmcp-azure 3.0.0 (MIT): azmcp bicepschema get; made by infra/schemas/refresh"
NAME = re.compile(r"[A-Za-z_][\w/.]*")


def members(properties):
    """The properties by name, each with its type."""
    written = {}
    for one in properties:
        flags = one.get("flags") or ""
        if "ReadOnly" in flags:
            continue
        written[one["name"]] = one["type"] + ("!" if "Required" in flags else "")
    return written


def definition(entry):
    """An object's properties; `*` stands for any name, and `$on` chooses a variant."""
    if entry["$type"] == "DiscriminatedObject":
        variants = {}
        for element in entry["elements"]:
            own = members(element["properties"])
            variants[own[entry["discriminator"]].rstrip("!")] = own
        base = members(entry["baseProperties"])
        return {"$on": entry["discriminator"], "$base": base, "$variants": variants}
    written = members(entry["properties"])
    if "additionalPropertiesType" in entry:
        written["*"] = entry["additionalPropertiesType"]
    return written


def types_in(value):
    """The names of types that a definition mentions."""
    if isinstance(value, str):
        yield from NAME.findall(value)
    else:
        for inner in value.values():
            yield from types_in(inner)


def main():
    wanted, path = sys.argv[1], pathlib.Path(sys.argv[2])
    answer = json.load(sys.stdin)
    if answer["status"] != 200:
        sys.exit(f"{wanted}: {answer['message']}")
    entries = answer["results"]["BicepSchemaResult"]
    known = {e["name"]: definition(e) for e in entries if e["$type"] in ("Object", "DiscriminatedObject")}
    resource = next(e for e in entries if e["$type"] == "Resource" and e["name"].split("@")[0] == wanted)

    file = json.loads(path.read_text()) if path.exists() else {"source": SOURCE, "resources": {}, "types": {}}
    body = definition(resource["bodyType"])
    file["resources"][resource["name"]] = body
    needed = list(types_in(body))
    while needed:
        name = needed.pop()
        if name in known and name not in file["types"]:
            file["types"][name] = known[name]
            needed.extend(types_in(known[name]))
        elif name in known and file["types"][name] != known[name]:
            sys.exit(f"{wanted}: there are two types {name}")
    path.write_text(json.dumps(file, indent=1, sort_keys=True) + "\n")


main()
