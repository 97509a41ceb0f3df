#include "actors/certificates/pki.hpp"

#include <algorithm>

#include "basis/log.hpp"
#include "net/tls/signing/bundle.hpp"

namespace troupe::certificates {
namespace {

using net::tls::identity;

class builder {
 public:
  builder(const rt::world& in, const pki_config& config) : in_(in), config_(config), now_(in.wall->now()) {}

  result<identity> authority(const std::string& name, const std::string& subject) {
    auto present = read(name);
    if (present.ok()) return present;
    if (present.code() != errc::not_found) return present.why();
    const auto stamp = std::chrono::duration_cast<std::chrono::seconds>(now_.time_since_epoch()).count();
    auto made = in_.issuer->make_ca(subject + "@" + std::to_string(stamp), now_, net::tls::ca_validity);
    if (!made.ok()) return made.why();
    return store(name, *made);
  }

  result<identity> leaf(const std::string& name, net::tls::leaf_request wanted, const identity& ca) {
    auto present = read(name);
    if (present.ok() && still_fits(*present, wanted, ca)) return present;
    const secret_text key = present.ok() ? present->key : in_.issuer->make_key();
    auto open = in_.issuer->public_key_of(key);
    if (!open.ok()) return open.why();
    wanted.public_key = *open;
    auto pem = in_.issuer->sign(wanted, ca, now_, config_.life);
    if (!pem.ok()) return pem.why();
    if (present.ok()) log::info("certificates.leaf_renewed", {{"name", name}});
    return store(name, {std::move(*pem), key});
  }

  /// A key alone: service.key. One of another kind (K3s keeps RSA) is used as it is.
  result<secret_text> key(const std::string& name) {
    auto text = in_.files->read(path(name, ".key"));
    if (!text.ok() && text.code() != errc::not_found) return text.why();
    if (!text.ok()) {
      auto made = in_.issuer->make_key();
      if (auto done = in_.files->write(path(name, ".key"), made.reveal(), 0600); !done.ok()) return done.why();
      return made;
    }
    secret_text found(std::move(*text));
    const auto open = in_.issuer->public_key_of(found);
    const auto fits = open.ok() ? in_.issuer->describe_key(*open) : result<net::tls::web_key>(open.why());
    if (!fits.ok()) return fail(errc::corrupt, path(name, ".key") + " cannot be used: " + fits.why().note + "; restore it from a backup, or remove it to have a new one made");
    return found;
  }

 private:
  std::string path(const std::string& name, const char* suffix) const { return config_.folder + "/" + name + suffix; }

  result<identity> read(const std::string& name) {
    auto certificate = in_.files->read(path(name, ".crt"));
    if (!certificate.ok()) return certificate.why();
    auto key = in_.files->read(path(name, ".key"));
    if (!key.ok()) return key.why();
    identity out{std::move(*certificate), secret_text(std::move(*key))};
    const auto facts = in_.issuer->read(out.certificates);
    const auto open = in_.issuer->public_key_of(out.key);
    if (!facts.ok() || !open.ok() || facts->public_key != *open)
      return fail(errc::corrupt, path(name, ".crt") + " and its .key do not belong together; restore both from a backup, "
                                 "or remove both to have new ones made");
    return out;
  }

  result<identity> store(const std::string& name, identity what) {
    if (auto done = in_.files->write(path(name, ".key"), what.key.reveal(), 0600); !done.ok()) return done.why();
    if (auto done = in_.files->write(path(name, ".crt"), what.certificates, 0644); !done.ok()) return done.why();
    return what;
  }

  bool still_fits(const identity& present, const net::tls::leaf_request& wanted, const identity& ca) const {
    const auto facts = in_.issuer->read(present.certificates);
    if (!facts.ok() || facts->not_after - now_ <= config_.life / 2) return false;
    if (facts->not_before > now_) return false;   // made while the clock was ahead: nobody whose clock is right takes it
    if (facts->common_name != wanted.common_name || facts->organizations != wanted.organizations) return false;
    const auto covers = [](const std::vector<std::string>& have, const std::vector<std::string>& want) {
      return std::all_of(want.begin(), want.end(),
                         [&](const auto& w) { return std::find(have.begin(), have.end(), w) != have.end(); });
    };
    // By the certificate that signs now; others of the bundle are what led there before.
    const auto bundle = net::tls::certificates_of(ca.certificates);
    return covers(facts->dns_names, wanted.dns_names) && covers(facts->addresses, wanted.addresses) && !bundle.empty() &&
           in_.issuer->is_signed_by(present.certificates, bundle.front());
  }

  const rt::world& in_;
  const pki_config& config_;
  wall_time now_;
};

}  // namespace

result<pki> load_or_make(const rt::world& in, const pki_config& config) {
  if (auto made = in.files->make_folder(config.folder, 0700); !made.ok()) return made.why();
  builder make(in, config);
  pki out;
  const auto into = [](identity& slot, result<identity> got) -> std::optional<error> {
    if (!got.ok()) return got.why();
    slot = std::move(*got);
    return std::nullopt;
  };
  if (auto bad = into(out.client_ca, make.authority("client-ca", "k3s-client-ca"))) return *bad;
  if (auto bad = into(out.server_ca, make.authority("server-ca", "k3s-server-ca"))) return *bad;
  if (auto bad = into(out.request_header_ca, make.authority("request-header-ca", "k3s-request-header-ca"))) return *bad;

  net::tls::leaf_request serving;
  serving.common_name = "kube-apiserver";
  serving.use = net::tls::usage::server;
  serving.dns_names = {"kubernetes", "kubernetes.default", "kubernetes.default.svc",
                       "kubernetes.default.svc." + config.cluster_domain, "localhost"};
  serving.dns_names.insert(serving.dns_names.end(), config.dns_names.begin(), config.dns_names.end());
  serving.addresses = {"127.0.0.1", "::1"};
  serving.addresses.insert(serving.addresses.end(), config.addresses.begin(), config.addresses.end());
  if (auto bad = into(out.serving, make.leaf("serving-kube-apiserver", serving, out.server_ca))) return *bad;

  net::tls::leaf_request admin;
  admin.common_name = "system:admin";
  admin.organizations = {"system:masters"};
  if (auto bad = into(out.admin, make.leaf("client-admin", admin, out.client_ca))) return *bad;
  net::tls::leaf_request api;
  api.common_name = "system:apiserver";
  api.organizations = {"system:masters"};
  if (auto bad = into(out.kubelet_client, make.leaf("client-kube-apiserver", api, out.client_ca))) return *bad;
  auto service = make.key("service");
  if (!service.ok()) return service.why();
  out.service_key = std::move(*service);
  return out;
}

result<etcd_pki> load_or_make_etcd(const rt::world& in, const std::string& folder, const std::vector<std::string>& addresses,
                                   const std::string& node, duration life) {
  if (auto made = in.files->make_folder(folder, 0700); !made.ok()) return made.why();
  const pki_config with{folder, {}, {}, {}, life}, lasting{folder, {}, {}, {}, net::tls::ca_validity};
  builder make(in, with), make_lasting(in, lasting);
  auto server_ca = make.authority("server-ca", "etcd-server-ca");
  if (!server_ca.ok()) return server_ca.why();
  auto peer_ca = make.authority("peer-ca", "etcd-peer-ca");
  if (!peer_ca.ok()) return peer_ca.why();
  net::tls::leaf_request member;
  member.use = net::tls::usage::both;
  member.dns_names = {"localhost", node};
  member.addresses = {"127.0.0.1", "::1"};
  for (const auto& a : addresses)
    if (std::find(member.addresses.begin(), member.addresses.end(), a) == member.addresses.end()) member.addresses.push_back(a);
  member.common_name = "etcd-server";
  if (auto made = make.leaf("server-client", member, *server_ca); !made.ok()) return made.why();
  member.common_name = "etcd-peer";
  if (auto made = make.leaf("peer-server-client", member, *peer_ca); !made.ok()) return made.why();
  net::tls::leaf_request client;
  client.common_name = "etcd-client";
  auto self = make_lasting.leaf("client", client, *server_ca);
  if (!self.ok()) return self.why();
  return etcd_pki{server_ca->certificates, std::move(*self)};
}

}  // namespace troupe::certificates
