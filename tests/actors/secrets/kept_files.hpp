// Files in a map, for actors that write a few.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "net/host/host.hpp"

namespace troupe::testing {

class kept_files : public net::files {
 public:
  result<std::string> read(const std::string& path) const override {
    const auto found = all.find(path);
    if (found == all.end()) return fail(errc::not_found, path);
    return found->second;
  }
  result<void> write(const std::string& path, std::string_view text, unsigned mode) override {
    if (full) return fail(errc::internal, "no space left");
    return all[path] = std::string(text), modes[path] = mode, result<void>();
  }
  result<void> create(const std::string& path, std::string_view text, unsigned mode) override { return write(path, text, mode); }
  result<void> remove(const std::string& path) override { return all.erase(path), result<void>(); }
  result<void> rename(const std::string&, const std::string&) override { return fail(errc::unsupported); }
  result<wall_time> written_at(const std::string&) const override { return wall_time{}; }
  result<std::vector<net::file_entry>> list(const std::string&) const override { return fail(errc::unsupported); }
  result<void> remove_tree(const std::string&) override { return fail(errc::unsupported); }
  result<void> copy(const std::string&, const std::string&) override { return fail(errc::unsupported); }
  result<std::string> sha256(const std::string&) const override { return fail(errc::unsupported); }
  bool in_use(const std::string&) const override { return false; }
  bool exists(const std::string& path) const override { return all.contains(path); }
  result<void> make_folder(const std::string&, unsigned) override { return {}; }
  result<duration> measure_sync(const std::string&) override { return duration(0); }
  result<void> link(const std::string&, const std::string&) override { return {}; }
  std::map<std::string, std::string> all;
  std::map<std::string, unsigned> modes;
  bool full = false;
};

}  // namespace troupe::testing
