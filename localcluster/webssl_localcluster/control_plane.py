"""etcd, the API server, the controller manager and the scheduler, as processes of this machine."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from . import kubeconfig
from .pki import Authority
from .plan import API_PORT, DOMAIN, ETCD_PEER_PORT, ETCD_PORT, Plan
from .processes import Processes, Program
from .tools.install import Toolbox

# A lost node is noticed and its pods are moved within a minute, not within the six that suit a data centre.
UNREACHABLE_SECONDS = 20
QUERIES_PER_SECOND = 200


def etcd(binary: Path, plan: Plan, authority: Authority, data: Path) -> Program:
    """etcd without fsync: the cluster is for trying things, and its disk is that of a laptop or a CI machine."""
    url = f"https://{plan.loopback}:{ETCD_PORT}"
    peer = f"http://{plan.loopback}:{ETCD_PEER_PORT}"
    return Program(
        "etcd",
        [
            binary,
            f"--data-dir={data}",
            "--name=etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=etcd={peer}",
            f"--cert-file={authority.certificate('apiserver')}",
            f"--key-file={authority.key('apiserver')}",
            f"--trusted-ca-file={authority.certificate('ca')}",
            "--client-cert-auth",
            "--log-level=warn",
        ],
    )


def api_server(binary: Path, plan: Plan, authority: Authority) -> Program:
    """The API server on the cluster's own address; RBAC and node authorization as in any other cluster."""
    # Loopback is no address that an endpoint may have, so a cluster without nodes does not publish one.
    published = [f"--advertise-address={plan.host}"] if plan.nodes else ["--endpoint-reconciler-type=none"]
    return Program(
        "kube-apiserver",
        [
            binary,
            f"--etcd-servers=https://{plan.loopback}:{ETCD_PORT}",
            f"--etcd-cafile={authority.certificate('ca')}",
            f"--etcd-certfile={authority.certificate('apiserver')}",
            f"--etcd-keyfile={authority.key('apiserver')}",
            f"--bind-address={plan.host}",
            f"--secure-port={API_PORT}",
            *published,
            f"--service-cluster-ip-range={plan.services}",
            f"--tls-cert-file={authority.certificate('apiserver')}",
            f"--tls-private-key-file={authority.key('apiserver')}",
            f"--client-ca-file={authority.certificate('ca')}",
            f"--service-account-key-file={authority.folder / 'service-accounts.pub'}",
            f"--service-account-signing-key-file={authority.key('service-accounts')}",
            f"--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--kubelet-client-certificate={authority.certificate('apiserver-kubelet')}",
            f"--kubelet-client-key={authority.key('apiserver-kubelet')}",
            f"--kubelet-certificate-authority={authority.certificate('ca')}",
            "--kubelet-preferred-address-types=InternalIP,Hostname",
            f"--default-not-ready-toleration-seconds={UNREACHABLE_SECONDS}",
            f"--default-unreachable-toleration-seconds={UNREACHABLE_SECONDS}",
            "--profiling=false",
        ],
    )


def controller_manager(binary: Path, plan: Plan, authority: Authority, config: Path) -> Program:
    """All controllers; node networks are laid by the cluster itself, so none are handed out here."""
    return Program(
        "kube-controller-manager",
        [
            binary,
            f"--kubeconfig={config}",
            f"--service-account-private-key-file={authority.key('service-accounts')}",
            f"--root-ca-file={authority.certificate('ca')}",
            f"--cluster-signing-cert-file={authority.certificate('ca')}",
            f"--cluster-signing-key-file={authority.key('ca')}",
            "--use-service-account-credentials=true",
            "--allocate-node-cidrs=false",
            "--leader-elect=false",
            f"--bind-address={plan.loopback}",
            "--node-monitor-period=2s",
            "--node-monitor-grace-period=20s",
            f"--kube-api-qps={QUERIES_PER_SECOND}",
            f"--kube-api-burst={2 * QUERIES_PER_SECOND}",
            "--profiling=false",
        ],
        configs=[config],
    )


def scheduler(binary: Path, plan: Plan, config: Path) -> Program:
    return Program(
        "kube-scheduler",
        [
            binary,
            f"--kubeconfig={config}",
            "--leader-elect=false",
            f"--bind-address={plan.loopback}",
            f"--kube-api-qps={QUERIES_PER_SECOND}",
            f"--kube-api-burst={2 * QUERIES_PER_SECOND}",
            "--profiling=false",
        ],
        configs=[config],
    )


class Probe:
    """Asks the API server whether it is ready, as the admin."""

    def __init__(self, plan: Plan, authority: Authority) -> None:
        self._url = f"{plan.api_url}/readyz"
        self._authority = authority

    def __call__(self) -> bool:
        context = ssl.create_default_context(cafile=str(self._authority.certificate("ca")))
        context.load_cert_chain(self._authority.certificate("admin"), self._authority.key("admin"))
        try:
            return httpx.get(self._url, verify=context, timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


def start(plan: Plan, authority: Authority, processes: Processes, tools: Toolbox, folder: Path) -> Path:
    """Starts whatever of the control plane does not run as described; returns the admin's kubeconfig.

    Raises:
        ClusterError: a part does not become ready; with the end of its log.
    """
    context = f"webssl-{plan.name}"
    config = {
        name: kubeconfig.write(folder / file, plan.api_url, context, authority, name)
        for name, file in (
            ("admin", "kubeconfig"),
            ("controller-manager", "kubeconfigs/controller-manager"),
            ("scheduler", "kubeconfigs/scheduler"),
        )
    }
    data = folder / "etcd"
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    processes.ensure(etcd(tools.path("etcd"), plan, authority, data))
    processes.ensure(api_server(tools.path("kube-apiserver"), plan, authority))
    hint = f"is the port taken? ss -ltnp | grep -E '{API_PORT}|{ETCD_PORT}'"
    processes.wait("kube-apiserver", Probe(plan, authority), 90, hint)
    manager = tools.path("kube-controller-manager")
    processes.ensure(controller_manager(manager, plan, authority, config["controller-manager"]))
    processes.ensure(scheduler(tools.path("kube-scheduler"), plan, config["scheduler"]))
    return config["admin"]
