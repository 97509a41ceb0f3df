#include "actors/certificates/rotation.hpp"

#include <algorithm>
#include <array>

#include "net/tls/signing/bundle.hpp"

namespace troupe::certificates {
namespace {

using net::tls::certificates_of;

constexpr std::array<std::string_view, 5> bases{"tls/server-ca", "tls/client-ca", "tls/request-header-ca", "tls/etcd/server-ca", "tls/etcd/peer-ca"};
constexpr duration trial_life = std::chrono::hours(1);

class judge {
 public:
  judge(net::tls::issuer& with, wall_time now, const authority_files& present, const authority_files& offered, bool force)
      : with_(with), now_(now), present_(present), offered_(offered), force_(force) {}

  result<authority_files> run() {
    for (const auto base : bases)
      if (auto done = authority(std::string(base)); !done.ok()) return done.why();
    if (auto done = service_key(); !done.ok()) return done.why();
    if (out_.empty()) return fail(errc::invalid, "these are the authorities that the cluster has: nothing would change");
    return std::move(out_);
  }

 private:
  const std::string* offered(const std::string& path) const { return find(offered_, path); }
  const std::string* present(const std::string& path) const { return find(present_, path); }
  static const std::string* find(const authority_files& in, const std::string& path) {
    const auto found = in.find(path);
    return found == in.end() ? nullptr : &found->second;
  }
  bool same(const std::string& path) const {
    const auto* now = present(path);
    const auto* next = offered(path);
    return now != nullptr && next != nullptr && *now == *next;
  }

  result<void> authority(const std::string& base) {
    const auto certificate = base + ".crt", key = base + ".key";
    const bool has_certificate = offered(certificate) != nullptr, has_key = offered(key) != nullptr;
    if (!has_certificate && !has_key) {
      if (force_ || present(certificate) == nullptr) return {};
      return fail(errc::invalid, certificate + " is missing: the cluster has this authority, too (--force keeps the one it has)");
    }
    if (!has_certificate || !has_key)
      return fail(errc::invalid, (has_key ? certificate : key) + " is missing, and " + (has_key ? key : certificate) + " is of no use without it");
    if (same(certificate) && same(key)) return {};
    if (auto sound = can_sign(certificate, *offered(certificate), secret_text(*offered(key))); !sound.ok()) return sound;
    if (auto follows = leads_back(certificate); !follows.ok()) return follows;
    out_[certificate] = *offered(certificate);
    out_[key] = *offered(key);
    return {};
  }

  result<void> can_sign(const std::string& path, const std::string& bundle, const secret_text& key) const {
    const auto all = certificates_of(bundle);
    if (all.empty()) return fail(errc::invalid, path + " holds no certificate in PEM");
    if (all.size() > net::tls::bundle_certificates_max)
      return fail(errc::invalid, path + " holds " + std::to_string(all.size()) + " certificates, and at most " + std::to_string(net::tls::bundle_certificates_max) + " are taken");
    for (std::size_t i = 0; i < all.size(); ++i)
      if (const auto read = with_.read(all[i]); !read.ok()) return fail(errc::invalid, path + ": its certificate " + std::to_string(i + 1) + " cannot be read: " + read.why().note);
    const auto facts = with_.read(all.front());
    if (facts->not_before > now_) return fail(errc::invalid, path + " is not valid before " + to_rfc3339(facts->not_before));
    if (facts->not_after <= now_) return fail(errc::invalid, path + " ended on " + to_rfc3339(facts->not_after));
    // What a cluster would have of it, tried: a leaf that is signed by it and believed for its sake.
    net::tls::leaf_request trial;
    trial.common_name = "trial";
    const auto open = with_.public_key_of(with_.make_key());
    if (!open.ok()) return open.why();
    trial.public_key = *open;
    const auto key_path = path.substr(0, path.size() - 3) + "key";
    const auto own = with_.public_key_of(key);
    if (!own.ok()) return fail(errc::invalid, key_path + " holds no private key in PEM that can be read");
    if (*own != facts->public_key) return fail(errc::invalid, key_path + " is not the key of the first certificate in " + path);
    const auto leaf = with_.sign(trial, {bundle, key}, now_, trial_life);
    if (!leaf.ok()) return fail(errc::invalid, path + " cannot sign: " + leaf.why().note + " (an authority needs basicConstraints CA:TRUE and a subjectKeyIdentifier)");
    if (!with_.is_signed_by(*leaf, all.front()))
      return fail(errc::invalid, path + ": its first certificate is not one of an authority (it needs basicConstraints CA:TRUE, and keyCertSign where it has a keyUsage)");
    return {};
  }

  result<void> leads_back(const std::string& path) const {
    const auto* now = present(path);
    if (force_ || now == nullptr) return {};
    const auto old = certificates_of(*now), next = certificates_of(*offered(path));
    auto through = next;
    through.insert(through.end(), old.begin(), old.end());
    if (net::tls::leads_to(with_, next.front(), through, old)) return {};
    return fail(errc::invalid, path + " does not lead to the authority that it replaces: neither its first certificate nor one above it in the file is signed by that, "
                               "so nodes that trust the old one would refuse the new one (--force takes it for a cluster that is stopped and started as a whole)");
  }

  result<void> service_key() {
    const std::string path = service_key_path;
    const auto* next = offered(path);
    if (next == nullptr || same(path)) return {};
    std::vector<std::string> open;
    for (const auto& one : net::tls::keys_of(secret_text(*next))) {
      const auto read = with_.public_key_of(one);
      const auto fits = read.ok() ? with_.describe_key(*read) : result<net::tls::web_key>(read.why());
      if (!fits.ok()) return fail(errc::invalid, path + ": its key " + std::to_string(open.size() + 1) + " cannot be used: " + fits.why().note);
      open.push_back(*read);
    }
    if (open.empty()) return fail(errc::invalid, path + " holds no private key in PEM");
    if (const auto* now = present(path); now != nullptr && !force_) {
      const auto keys = net::tls::keys_of(secret_text(*now));
      const auto signs = keys.empty() ? result<std::string>(errc::invalid, "") : with_.public_key_of(keys.front());
      if (signs.ok() && std::ranges::find(open, *signs) == open.end())
        return fail(errc::invalid, path + " does not hold the key that signs now: append the present " + path + " to it, or tokens of service accounts end at once (--force takes it all the same)");
    }
    out_[path] = *next;
    return {};
  }

  net::tls::issuer& with_;
  wall_time now_;
  const authority_files& present_;
  const authority_files& offered_;
  bool force_;
  authority_files out_;
};

}  // namespace

std::span<const std::string_view> authorities() noexcept { return bases; }

result<authority_files> judge_replacement(net::tls::issuer& with, wall_time now, const authority_files& present, const authority_files& offered, bool force) {
  return judge(with, now, present, offered, force).run();
}

}  // namespace troupe::certificates
