#include <openssl/sha.h>

#include <algorithm>

#include "basis/bytes.hpp"
#include "net/sim/core.hpp"

namespace troupe::net::sim {
namespace {

/// Files of one computer, by their full path. They belong to the disk, so they outlive its process.
class sim_files final : public files {
 public:
  result<std::string> read(const std::string& path) const override {
    const auto found = files_.find(follow(path));
    if (found == files_.end()) return fail(errc::not_found, "reading " + path + ": there is no such file");
    return found->second.text;
  }
  result<void> write(const std::string& path, std::string_view text, unsigned mode) override {
    if (is_folder(path)) return fail(errc::internal, "replacing " + path + ": it is a folder");
    files_[follow(path)] = {std::string(text), mode};
    return {};
  }
  result<void> create(const std::string& path, std::string_view text, unsigned mode) override {
    if (exists(path)) return fail(errc::already_exists, "creating " + path + ": there is such a file");
    files_[path] = {std::string(text), mode};
    return {};
  }
  result<void> remove(const std::string& path) override {
    files_.erase(path);
    links_.erase(path);
    folders_.erase(path);
    return {};
  }
  result<void> rename(const std::string& from, const std::string& to) override {
    bool found = false;
    for (const bool folder : {false, true}) {
      std::vector<std::string> below;
      const auto gather = [&](const auto& names) {
        for (const auto& [name, what] : names)
          if (name == from || name.starts_with(from + "/")) below.push_back(name);
      };
      if (folder) gather(folders_);
      else gather(files_);
      for (const auto& name : below) {
        const auto fresh = to + name.substr(from.size());
        if (folder) folders_[fresh] = folders_[name], folders_.erase(name);
        else files_[fresh] = files_[name], files_.erase(name);
        found = true;
      }
    }
    if (!found) return fail(errc::not_found, "renaming " + from + ": there is no such file");
    return {};
  }
  result<duration> measure_sync(const std::string&) override { return duration(std::chrono::milliseconds(1)); }
  result<wall_time> written_at(const std::string& path) const override {
    if (!exists(path)) return fail(errc::not_found, "looking at " + path + ": there is no such file");
    return wall_time{};
  }
  bool exists(const std::string& path) const override { return files_.contains(follow(path)) || is_folder(path); }
  result<void> make_folder(const std::string& path, unsigned mode) override {
    if (files_.contains(path)) return fail(errc::already_exists, path + " is there and is no folder");
    folders_.emplace(path, mode);
    return {};
  }
  result<void> link(const std::string& target, const std::string& path) override {
    files_.erase(path);
    links_[path] = target;
    return {};
  }
  result<std::vector<file_entry>> list(const std::string& folder) const override {
    if (!is_folder(folder)) return fail(errc::not_found, "reading " + folder + ": there is no such folder");
    std::map<std::string, file_entry> out;
    for (auto at = files_.lower_bound(folder + "/"); at != files_.end() && at->first.starts_with(folder + "/"); ++at) {
      const auto rest = at->first.substr(folder.size() + 1);
      auto& one = out[rest.substr(0, rest.find('/'))];
      one.bytes += at->second.text.size();
      one.folder = rest.find('/') != std::string::npos;
    }
    std::vector<file_entry> list;
    for (auto& [name, one] : out) one.name = name, list.push_back(std::move(one));
    return list;
  }
  result<void> remove_tree(const std::string& path) override {
    const auto below = [&](const auto& entry) { return entry.first == path || entry.first.starts_with(path + "/"); };
    std::erase_if(files_, below);
    std::erase_if(folders_, below);
    links_.erase(path);
    return {};
  }
  result<void> copy(const std::string& from, const std::string& to) override {
    if (!exists(from)) return fail(errc::not_found, "reading " + from + ": there is no such file");
    if (exists(to)) return fail(errc::already_exists, "creating " + to + ": there is such a file");
    std::map<std::string, file> fresh;
    for (const auto& [name, what] : files_)
      if (name == from || name.starts_with(from + "/")) fresh[to + name.substr(from.size())] = what;
    files_.merge(fresh);
    return {};
  }
  result<std::string> sha256(const std::string& path) const override {
    if (const auto found = files_.find(follow(path)); found != files_.end()) return digest(found->second.text);
    if (!is_folder(path)) return fail(errc::not_found, "reading " + path + ": there is no such file");
    std::string lines;
    for (auto at = files_.lower_bound(path + "/"); at != files_.end() && at->first.starts_with(path + "/"); ++at)
      lines += to_hex(digest(at->second.text)) + "  " + at->first.substr(path.size() + 1) + "\n";
    return digest(lines);
  }
  bool in_use(const std::string&) const override { return false; }   // one process per simulated computer

 private:
  struct file {
    std::string text;
    unsigned mode = 0;
  };
  static constexpr int links_deep_max = 16;

  static std::string digest(std::string_view text) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), reinterpret_cast<unsigned char*>(out.data()));
    return out;
  }
  std::string follow(std::string path) const {
    for (int i = 0; i < links_deep_max; ++i) {
      const auto found = links_.find(path);
      if (found == links_.end()) return path;
      const auto slash = path.rfind('/');
      const bool full = found->second.rfind('/', 0) == 0;
      path = full || slash == std::string::npos ? found->second : path.substr(0, slash + 1) + found->second;
    }
    return {};
  }
  bool is_folder(const std::string& path) const {
    if (folders_.contains(path)) return true;
    const auto next = files_.lower_bound(path + "/");
    return next != files_.end() && next->first.rfind(path + "/", 0) == 0;
  }

  std::map<std::string, file> files_;
  std::map<std::string, std::string> links_;
  std::map<std::string, unsigned> folders_;
};

class sim_facts final : public net::machine {
 public:
  explicit sim_facts(const site& of) : of_(of) {}
  machine_facts facts(const std::string&) const override {
    machine_facts out;
    out.hostname = of_.name;
    out.default_address = of_.addresses.front();
    out.kernel = "6.1.0-sim";
    out.os_image = "Simulated Linux";
    out.architecture = "amd64";
    out.machine_id = out.system_uuid = to_hex(of_.name);
    out.boot_id = to_hex(of_.name) + "-" + std::to_string(of_.life);
    out.cpus = 2;
    out.memory_bytes = 4ull << 30;
    out.disk_bytes = 40ull << 30;
    out.disk_free_bytes = 30ull << 30;
    return out;
  }

 private:
  const site& of_;
};

}  // namespace

std::unique_ptr<files> make_files() { return std::make_unique<sim_files>(); }
std::unique_ptr<net::machine> make_facts(const site& of) { return std::make_unique<sim_facts>(of); }

}  // namespace troupe::net::sim
