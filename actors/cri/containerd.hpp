// containerd as our child: how it is configured and called. Pure, but for the look at this machine.
#pragma once
#include <string>
#include <vector>

#include "actors/cri/registries.hpp"

#include "basis/result.hpp"
#include "net/host/host.hpp"
#include "net/host/process.hpp"

namespace troupe::cri {

struct containerd_config {
  std::string program = "containerd", runc = "/usr/sbin/runc", ctr = "ctr";
  std::string root;              ///< <data>/agent/containerd: images and snapshots, kept over reboots.
  std::string state;             ///< <run>/containerd: what runs; goes with a reboot.
  std::string socket;            ///< <run>/containerd/containerd.sock
  std::string file;              ///< Its configuration, written by us at each start.
  std::string images;            ///< Archives to import.
  std::string cni_programs = "/usr/lib/cni", cni_folder;
  std::string registries;        ///< certs.d
  cri::registries from;          ///< registries.yaml
  bool may_raise_oom = false;    ///< CAP_SYS_RESOURCE: containers may get a lower oom_score_adj than ours.
  bool apparmor = false;
  bool systemd_cgroups = false;
};

/// Below <data>/agent, with what runs below `run_folder` (/run/troupe).
containerd_config make_containerd_config(const std::string& agent_folder, const std::string& run_folder);
/// config.toml, as containerd 1.6 reads it.
std::string containerd_file(const containerd_config& of);
net::process_order containerd_order(const containerd_config& of);
/// Imports one archive for Kubernetes.
net::process_order import_order(const containerd_config& of, const std::string& archive);
/// The archives of the images folder, ours first.
std::vector<std::string> archives_in(const net::files& disk, const containerd_config& of);

/// What stops this machine from running containers; empty when nothing does. Fills in what it finds: runc's path, the
/// capabilities.
std::string look_at_machine(const net::files& disk, containerd_config& of);

}  // namespace troupe::cri
