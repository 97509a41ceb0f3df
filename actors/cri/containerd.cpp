#include "actors/cri/containerd.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace troupe::cri {
namespace {

constexpr unsigned cap_sys_resource = 24, cap_sys_admin = 21;

bool found_in(const net::files& disk, const std::string& name, std::string& path) {
  for (const char* folder : {"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    if (!disk.exists(folder + name)) continue;
    path = folder + name;
    return true;
  }
  return false;
}

std::uint64_t capabilities(const net::files& disk) {
  const auto status = disk.read("/proc/self/status").value_or("");
  const auto at = status.find("CapEff:\t");
  std::uint64_t out = 0;
  if (at != std::string::npos) std::from_chars(status.data() + at + 8, status.data() + std::min(status.size(), at + 24), out, 16);
  return out;
}

bool is_archive(const std::string& name) {
  for (const char* end : {".tar", ".tar.gz", ".tgz", ".tar.zst"})
    if (name.ends_with(end)) return true;
  return false;
}

}  // namespace

containerd_config make_containerd_config(const std::string& agent, const std::string& run) {
  containerd_config out;
  out.root = agent + "/containerd";
  out.state = run + "/containerd";
  out.socket = run + "/containerd/containerd.sock";
  out.file = agent + "/etc/containerd/config.toml";
  out.registries = agent + "/etc/containerd/certs.d";
  out.images = agent + "/images";
  out.cni_folder = agent + "/etc/cni/net.d";
  return out;
}

std::string containerd_file(const containerd_config& of) {
  const auto yes = [](bool is) { return is ? "true" : "false"; };
  return "# Written by troupe at each start.\nversion = 2\nroot = " + toml_text(of.root) + "\nstate = " + toml_text(of.state) +
         "\noom_score = 0\n"
         "disabled_plugins = [\"io.containerd.snapshotter.v1.aufs\", \"io.containerd.snapshotter.v1.btrfs\", \"io.containerd.snapshotter.v1.devmapper\",\n"
         "  \"io.containerd.snapshotter.v1.zfs\", \"io.containerd.internal.v1.opt\", \"io.containerd.internal.v1.tracing\", \"io.containerd.tracing.processor.v1.otlp\"]\n"
         "[grpc]\n  address = " + toml_text(of.socket) + "\n[ttrpc]\n  address = " + toml_text(of.socket + ".ttrpc") +
         "\n[plugins.\"io.containerd.grpc.v1.cri\"]\n"
         "  sandbox_image = \"localhost/troupe-pause:1\"\n"
         "  disable_apparmor = " + yes(!of.apparmor) + "\n"
         "  restrict_oom_score_adj = " + yes(!of.may_raise_oom) + "\n"
         "  disable_hugetlb_controller = true\n  tolerate_missing_hugetlb_controller = true\n"
         "  enable_unprivileged_ports = true\n  enable_unprivileged_icmp = true\n"
         "  netns_mounts_under_state_dir = true\n"
         // An upgraded connection to it is all that our own port carries: it need not be reachable from elsewhere.
         "  disable_tcp_service = true\n  stream_server_address = \"127.0.0.1\"\n  stream_server_port = \"0\"\n  stream_idle_timeout = \"4h0m0s\"\n"
         "  [plugins.\"io.containerd.grpc.v1.cri\".containerd]\n    snapshotter = \"overlayfs\"\n    default_runtime_name = \"runc\"\n"
         "    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n      runtime_type = \"io.containerd.runc.v2\"\n"
         "      [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n"
         "        SystemdCgroup = " + yes(of.systemd_cgroups) + "\n        BinaryName = " + toml_text(of.runc) + "\n        Root = " + toml_text(of.state + "/runc") + "\n"
         "  [plugins.\"io.containerd.grpc.v1.cri\".cni]\n    bin_dir = " + toml_text(of.cni_programs) + "\n    conf_dir = " + toml_text(of.cni_folder) +
         "\n    max_conf_num = 1\n"
         "  [plugins.\"io.containerd.grpc.v1.cri\".registry]\n    config_path = " + toml_text(of.registries) + "\n" + auth_section(of.from);
}

net::process_order containerd_order(const containerd_config& of) {
  net::process_order out;
  out.arguments = {of.program, "--config", of.file};
  out.environment = {"GOGC=50"};
  return out;
}

net::process_order import_order(const containerd_config& of, const std::string& archive) {
  net::process_order out;
  out.arguments = {of.ctr, "--address", of.socket, "--namespace", "k8s.io", "images", "import", archive};
  return out;
}

std::vector<std::string> archives_in(const net::files& disk, const containerd_config& of) {
  std::vector<std::string> out;
  const auto all = disk.list(of.images).value_or({});
  for (const auto& one : all)
    if (!one.folder && is_archive(one.name)) out.push_back(of.images + "/" + one.name);
  std::stable_partition(out.begin(), out.end(), [](const std::string& path) { return path.ends_with("/troupe-pause.tar"); });
  return out;
}

std::string look_at_machine(const net::files& disk, containerd_config& of) {
  if (geteuid() != 0) return "containers need root";
  const auto can = capabilities(disk);
  if (!(can >> cap_sys_admin & 1)) return "containers need CAP_SYS_ADMIN";
  of.may_raise_oom = can >> cap_sys_resource & 1;
  of.apparmor = disk.read("/sys/module/apparmor/parameters/enabled").value_or("").starts_with('Y');
  std::string path;
  if (!found_in(disk, "containerd", path)) return "there is no program containerd; on Debian: apt-get install containerd";
  of.program = path;
  if (!found_in(disk, "runc", of.runc)) return "there is no program runc; on Debian: apt-get install runc";
  if (!found_in(disk, "ctr", of.ctr)) return "there is no program ctr, which comes with containerd";
  if (!disk.exists(of.cni_programs + "/loopback") && disk.exists("/opt/cni/bin/loopback")) of.cni_programs = "/opt/cni/bin";
  if (!disk.exists(of.cni_programs + "/loopback"))
    return "there are no CNI plugins in " + of.cni_programs + "; on Debian: apt-get install containernetworking-plugins";
  return {};
}

}  // namespace troupe::cri
