"""A node: a containerd and a kubelet of our own, with every file in the cluster's state folder.

Both run in a mount namespace of their own. So what they mount (root file systems of containers, volumes, network
namespaces) is seen by nobody else and goes when their last process ends; and the folders whose paths they have
written into their source are ours.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.cluster import cgroups, daemons, network, pki
from tests.cluster.host import PRIVATE
from tests.cluster.places import Node, own_name, state
from tests.cluster.programs import PAUSE_IMAGE
from tests.cluster.say import CannotError

CNI_PROGRAMS = Path("/usr/lib/cni")

_OWN_FOLDERS = (
    'while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; mount --make-rshared /; exec "$@"'
)


def up(programs: Path, node: Node) -> None:
    """Start the node's runtime and its kubelet."""
    folder = node.folder
    for name in ("cni", "kubelet", "logs", "plugins"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pki.node(node)
    network.join(node)
    cgroups.make(node)
    (folder / "containerd.toml").write_text(_containerd(node))
    (folder / "cni" / "10-tuner.conflist").write_text(json.dumps(_network(node), indent=1))
    (folder / "resolv.conf").write_text("# no name server: pods know Services by their address or by environment\n")
    (folder / "kubelet.json").write_text(json.dumps(_kubelet(node), indent=1))
    daemons.start(
        _runtime(node),
        [*network.inside(), "unshare", "--mount", "--propagation", "private", "sh", "-euc", _OWN_FOLDERS, "sh"]
        + [word for pair in _own_folders(node) for word in pair]
        + ["--", "containerd", "--config", f"{folder}/containerd.toml"],
    )
    daemons.wait("containerd", lambda: _ctr(node, "version").returncode == 0, 20, _runtime(node))
    load_image(node, programs / "pause.tar")
    daemons.start(
        kubelet(node),
        [
            *network.inside()[:-1],
            f"--mount=/proc/{daemons.pid(_runtime(node))}/ns/mnt",
            "--",
            f"{programs}/kubelet",
            f"--config={folder}/kubelet.json",
            f"--kubeconfig={state()}/pki/{node.name}.kubeconfig",
            f"--root-dir={folder}/kubelet",
            f"--cert-dir={folder}/kubelet/pki",
            f"--hostname-override={node.name}",
            f"--node-ip={node.address}",
        ],
    )


def kubelet(node: Node) -> str:
    """The name of its daemon."""
    return f"kubelet-{node.name}"


def load_image(node: Node, archive: Path) -> None:
    """Import an archive, unless this very file was imported before."""
    if not archive.is_file():
        raise CannotError(f"{archive}: no such file")
    about = archive.stat()
    note = node.folder / "loaded" / f"{about.st_ino}-{about.st_size}-{about.st_mtime_ns}"
    if note.exists():
        return
    done = _ctr(node, "--namespace", "k8s.io", "images", "import", str(archive))
    if done.returncode:
        raise CannotError(f"{archive}: could not be imported on {node.name}: {done.stderr.strip()}")
    note.parent.mkdir(exist_ok=True)
    note.write_text(str(archive.resolve()))


def loaded(node: Node) -> list[Path]:
    """The archives that were imported, as far as they are still there."""
    paths = (Path(note.read_text()) for note in (node.folder / "loaded").glob("*"))
    return [path for path in paths if path.exists()]


def _runtime(node: Node) -> str:
    return f"containerd-{node.name}"


def _own_folders(node: Node) -> list[tuple[str, str]]:
    pairs = []
    for path in PRIVATE:
        own = node.folder / "private" / path.strip("/").replace("/", "-")
        own.mkdir(parents=True, exist_ok=True)
        pairs.append((str(own), path))
    return pairs


def _ctr(node: Node, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ctr", "--address", str(node.socket), *arguments], capture_output=True, text=True, check=False
    )


def _containerd(node: Node) -> str:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{node.folder}/containerd"
state = "{node.folder}/run"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{node.socket}"
[{cri}]
  sandbox_image = "{PAUSE_IMAGE}"
  netns_mounts_under_state_dir = true
  # a machine may withhold the right to lower an OOM score; without this every sandbox fails there
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
[{cri}.containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
[{cri}.cni]
  bin_dir = "{CNI_PROGRAMS}"
  conf_dir = "{node.folder}/cni"
"""


def _network(node: Node) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "dataDir": f"{node.folder}/ipam",
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    # without masquerading, pods reach this machine and no other: a test that needs the world is no test
    return {"cniVersion": "1.0.0", "name": "tuner", "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}]}


def _kubelet(node: Node) -> dict[str, object]:
    keys = state() / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{keys}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{keys}/{node.name}.crt",
        "tlsPrivateKeyFile": f"{keys}/{node.name}.key",
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{own_name()}/{node.name}",
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "healthzPort": 0,
        "podLogsDir": f"{node.folder}/logs",
        "volumePluginDir": f"{node.folder}/plugins",
        "resolvConf": f"{node.folder}/resolv.conf",
        "serializeImagePulls": False,
    }
