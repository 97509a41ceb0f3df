#include "actors/kubelet/volumes/writer.hpp"

#include <set>

#include "actors/kubelet/pod/wish.hpp"

namespace troupe::kubelet {
namespace {

constexpr unsigned for_all = 0755, wide_open = 0777;

std::string first_part(const std::string& path) { return path.substr(0, path.find('/')); }
std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string version_of(const volume_plan& of) {
  std::string all;
  for (const auto& f : of.files) all += f.path + '\0' + std::to_string(f.mode) + '\0' + std::to_string(f.data.size()) + '\0' + f.data;
  return "..v" + std::to_string(digest_of(all));
}

result<void> write_files(net::files& disk, const volume_plan& of) {
  const auto version = version_of(of), home = of.path + "/" + version;
  if (disk.exists(home + "/..whole")) return {};
  if (auto made = disk.make_folder(home, for_all); !made.ok()) return made;
  std::set<std::string> names;
  for (const auto& f : of.files) {
    const auto path = home + "/" + f.path;
    if (auto made = disk.make_folder(folder_of(path), for_all); !made.ok()) return made;
    if (auto put = disk.write(path, f.data, f.mode); !put.ok()) return put;
    names.insert(first_part(f.path));
  }
  if (auto put = disk.write(home + "/..whole", "", 0600); !put.ok()) return put;   // a version cut short is written again
  if (auto led = disk.link(version, of.path + "/..data"); !led.ok()) return led;
  for (const auto& name : names)
    if (auto led = disk.link("..data/" + name, of.path + "/" + name); !led.ok()) return led;
  const auto present = disk.list(of.path).value_or({});
  for (const auto& one : present) {
    if (one.name == version || one.name == "..data" || names.contains(one.name)) continue;
    if (auto gone = one.name.starts_with("..v") ? disk.remove_tree(of.path + "/" + one.name) : disk.remove(of.path + "/" + one.name); !gone.ok()) return gone;
  }
  return {};
}

result<void> check_host(net::files& disk, const volume_plan& of) {
  const auto& type = of.host_type;
  if (type.empty()) return {};
  const bool there = disk.exists(of.path);
  if (type == "DirectoryOrCreate") return there ? result<void>() : disk.make_folder(of.path, for_all);
  if (type == "FileOrCreate") return there ? result<void>() : disk.write(of.path, "", 0644);
  const bool folder = there && disk.list(of.path).ok();
  const auto no = [&](const char* what) { return fail(errc::invalid, "hostPath type check failed: " + of.path + " is not a " + what); };
  if (type == "Directory") return folder ? result<void>() : no("directory");
  if (type == "File") return there && !folder ? result<void>() : no("file");
  return there ? result<void>() : no(type == "Socket" ? "socket" : "device");
}

}  // namespace

result<void> write_volumes(net::files& disk, const std::vector<volume_plan>& all) {
  for (const auto& one : all) {
    result<void> went;
    switch (one.what) {
      case volume_plan::kind::host: went = check_host(disk, one); break;
      case volume_plan::kind::empty: went = disk.make_folder(one.path, wide_open); break;
      case volume_plan::kind::files:
        went = disk.make_folder(one.path, for_all);
        if (went.ok()) went = write_files(disk, one);
        break;
    }
    if (!went.ok()) return fail(errc::invalid, "MountVolume.SetUp failed for volume \"" + one.name + "\" : " + went.why().note);
  }
  return {};
}

}  // namespace troupe::kubelet
