"""image_sbom - what packages an image holds, by its layers, as an SPDX document.

Debian's packages are read from dpkg's status file, or in images without dpkg from the files of
status.d, which docker/record-packages.sh writes; npm's from each package.json below node_modules.
"""

import io
import json
import re
import tarfile
import urllib.parse

STATUS = "var/lib/dpkg/status"
STATUS_D = re.compile(r"var/lib/dpkg/status\.d/[a-z0-9.+-]+$")
NPM = re.compile(r"(?:^|/)node_modules/((?:@[^/]+/)?[^/]+)/package\.json$")
FIELD = re.compile(r"^(Package|Version|Architecture|Status): (.*)$", re.M)


def read_files(layers):
    """{path: text} of the files that list packages. A later layer replaces an earlier one."""
    files = {}
    for data in layers:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if member.isreg() and (name == STATUS or STATUS_D.search(name) or NPM.search(name)):
                    files[name] = archive.extractfile(member).read().decode(errors="replace")
    return files


def debian_packages(text):
    for paragraph in text.split("\n\n"):
        fields = dict(FIELD.findall(paragraph))
        if "Package" in fields and fields.get("Status", "install ok installed").endswith(" installed"):
            yield fields["Package"], fields["Version"], fields.get("Architecture", "all")


def packages(layers):
    """(name, version, package URL) of each package, sorted."""
    found = set()
    for path, text in read_files(layers).items():
        if NPM.search(path):
            about = json.loads(text)
            if "version" in about:
                name, version = NPM.search(path)[1], about["version"]
                found.add((name, version, f"pkg:npm/{urllib.parse.quote(name)}@{version}"))
            continue
        for name, version, architecture in debian_packages(text):
            found.add((name, version, f"pkg:deb/debian/{urllib.parse.quote(name)}"
                       f"@{urllib.parse.quote(version)}?arch={architecture}"))
    return sorted(found)


def package(identity, name, version, url=None, licence="NOASSERTION"):
    entry = {"SPDXID": identity, "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
             "filesAnalyzed": False, "licenseConcluded": licence, "licenseDeclared": licence,
             "copyrightText": "NOASSERTION"}
    if url is not None:
        entry["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                  "referenceLocator": url}]
    return entry


def document(name, version, identity, created, layers):
    """The SPDX document of image `name`, whose id is `identity`."""
    entries = [package("SPDXRef-Image", f"whiskloop/{name}", version, licence="Apache-2.0")]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image")]
    for number, (one, its_version, url) in enumerate(packages(layers)):
        entries.append(package(f"SPDXRef-Package-{number}", one, its_version, url))
        relations.append(("SPDXRef-Image", "CONTAINS", f"SPDXRef-Package-{number}"))
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
            "name": f"whiskloop/{name}",
            "documentNamespace": f"https://spdx.org/spdxdocs/whiskloop-{name}-{identity.partition(':')[2]}",
            "creationInfo": {"created": created, "creators": ["Tool: whiskloop scripts/images.sh"]},
            "packages": entries,
            "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
                              for one, kind, other in relations]}
