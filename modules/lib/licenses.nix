# The licences that packages of a host config most often name, by the names used in modules.
# A set that answers every name does not exist in Nix: a licence that is missing here is an error.
{ lib }:
let
  license =
    {
      spdxId,
      fullName,
      free ? true,
    }:
    {
      inherit spdxId fullName free;
      redistributable = free;
      deprecated = false;
      url = "https://spdx.org/licenses/${spdxId}.html";
    };
  unfree = fullName: redistributable: {
    inherit fullName redistributable;
    free = false;
    deprecated = false;
  };
in
lib.mapAttrs (shortName: value: value // { inherit shortName; }) (
  lib.mapAttrs
    (
      _: pair:
      license {
        spdxId = lib.head pair;
        fullName = lib.last pair;
      }
    )
    {
      agpl3Only = [
        "AGPL-3.0-only"
        "GNU Affero General Public License v3.0 only"
      ];
      agpl3Plus = [
        "AGPL-3.0-or-later"
        "GNU Affero General Public License v3.0 or later"
      ];
      asl20 = [
        "Apache-2.0"
        "Apache License 2.0"
      ];
      bsd2 = [
        "BSD-2-Clause"
        "BSD 2-Clause \"Simplified\" License"
      ];
      bsd3 = [
        "BSD-3-Clause"
        "BSD 3-Clause \"New\" or \"Revised\" License"
      ];
      cc0 = [
        "CC0-1.0"
        "Creative Commons Zero v1.0 Universal"
      ];
      cc-by-40 = [
        "CC-BY-4.0"
        "Creative Commons Attribution 4.0 International"
      ];
      cc-by-sa-40 = [
        "CC-BY-SA-4.0"
        "Creative Commons Attribution Share Alike 4.0 International"
      ];
      eupl12 = [
        "EUPL-1.2"
        "European Union Public License 1.2"
      ];
      gpl2Only = [
        "GPL-2.0-only"
        "GNU General Public License v2.0 only"
      ];
      gpl2Plus = [
        "GPL-2.0-or-later"
        "GNU General Public License v2.0 or later"
      ];
      gpl3Only = [
        "GPL-3.0-only"
        "GNU General Public License v3.0 only"
      ];
      gpl3Plus = [
        "GPL-3.0-or-later"
        "GNU General Public License v3.0 or later"
      ];
      isc = [
        "ISC"
        "ISC License"
      ];
      lgpl21Only = [
        "LGPL-2.1-only"
        "GNU Lesser General Public License v2.1 only"
      ];
      lgpl21Plus = [
        "LGPL-2.1-or-later"
        "GNU Lesser General Public License v2.1 or later"
      ];
      lgpl3Only = [
        "LGPL-3.0-only"
        "GNU Lesser General Public License v3.0 only"
      ];
      lgpl3Plus = [
        "LGPL-3.0-or-later"
        "GNU Lesser General Public License v3.0 or later"
      ];
      mit = [
        "MIT"
        "MIT License"
      ];
      mit0 = [
        "MIT-0"
        "MIT No Attribution"
      ];
      mpl20 = [
        "MPL-2.0"
        "Mozilla Public License 2.0"
      ];
      openssl = [
        "OpenSSL"
        "OpenSSL License"
      ];
      postgresql = [
        "PostgreSQL"
        "PostgreSQL License"
      ];
      psfl = [
        "Python-2.0"
        "Python Software Foundation License version 2"
      ];
      unlicense = [
        "Unlicense"
        "The Unlicense"
      ];
      wtfpl = [
        "WTFPL"
        "Do What The F*ck You Want To Public License"
      ];
      zlib = [
        "Zlib"
        "zlib License"
      ];
    }
  // {
    free = {
      fullName = "Unspecified free software license";
      free = true;
      redistributable = true;
      deprecated = false;
    };
    publicDomain = {
      fullName = "Public Domain";
      free = true;
      redistributable = true;
      deprecated = false;
    };
    unfree = unfree "Unfree" false;
    unfreeRedistributable = unfree "Unfree redistributable" true;
  }
)
