PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE audit (
    tenant TEXT, id TEXT, flag TEXT, record TEXT NOT NULL, PRIMARY KEY (tenant, id)) WITHOUT ROWID;
INSERT INTO "audit" VALUES('["default", "default"]','1795500000000-c9f16161906b',NULL,'{"id":"1795500000000-c9f16161906b","at":"2026-11-24T06:00:00Z","actor":"ada","action":"release.activate","reason":"because","flag":null,"before":null,"after":null,"release":1,"request_id":null,"source":null}');
INSERT INTO "audit" VALUES('["default", "default"]','1795500010000-ff51b146ab44','a','{"id":"1795500010000-ff51b146ab44","at":"2026-11-24T06:00:10Z","actor":"ada","action":"override.set","reason":"because","flag":"a","before":{"status":true},"after":{"status":false},"release":1,"request_id":null,"source":null}');
INSERT INTO "audit" VALUES('["default", "default"]','1795500011000-b410ed3bb1bb','api','{"id":"1795500011000-b410ed3bb1bb","at":"2026-11-24T06:00:11Z","actor":"ada","action":"override.set","reason":"because","flag":"api","before":null,"after":{"status":true,"description":"Gr\u00fc\u00dfe"},"release":1,"request_id":null,"source":null}');
INSERT INTO "audit" VALUES('["default", "default"]','1795500012000-8f9be1cc9d9c','b','{"id":"1795500012000-8f9be1cc9d9c","at":"2026-11-24T06:00:12Z","actor":"ada","action":"override.set","reason":"because","flag":"b","before":{"status":true,"variants":{"x":1,"y":2.5},"targets":{"x":["ada","bob"]},"default":{"serve":"y"}},"after":null,"release":1,"request_id":null,"source":null}');
INSERT INTO "audit" VALUES('["default", "default"]','1795500013000-087b1966898e','lifted','{"id":"1795500013000-087b1966898e","at":"2026-11-24T06:00:13Z","actor":"ada","action":"override.set","reason":"because","flag":"lifted","before":null,"after":{"status":true},"release":1,"request_id":null,"source":null}');
INSERT INTO "audit" VALUES('["default", "default"]','1795500020000-1efff6288bd1','lifted','{"id":"1795500020000-1efff6288bd1","at":"2026-11-24T06:00:20Z","actor":"ada","action":"override.clear","reason":"because","flag":"lifted","before":{"status":true},"after":null,"release":1,"request_id":null,"source":null}');
INSERT INTO "audit" VALUES('["default", "default"]','1795500030000-fdb50dc75068',NULL,'{"id":"1795500030000-fdb50dc75068","at":"2026-11-24T06:00:30Z","actor":"ada","action":"release.activate","reason":"because","flag":null,"before":null,"after":{"canary":12.5,"base":1,"until":"2026-11-24T06:15:30Z"},"release":2,"request_id":null,"source":null}');
INSERT INTO "audit" VALUES('["default", "default"]','1795500040000-68e416671ec3',NULL,'{"id":"1795500040000-68e416671ec3","at":"2026-11-24T06:00:40Z","actor":"ada","action":"settings.change","reason":"because","flag":null,"before":null,"after":{"cors_origins":["https://a.example"]},"release":null,"request_id":null,"source":null}');
CREATE TABLE bake (tenant TEXT PRIMARY KEY, base INTEGER NOT NULL, record TEXT NOT NULL);
INSERT INTO "bake" VALUES('["default", "default"]',1,'{"base":1,"share":12.5,"since":"2026-11-24T06:00:30Z","until":"2026-11-24T06:15:30Z"}');
CREATE TABLE override (tenant TEXT, flag TEXT, record TEXT NOT NULL, PRIMARY KEY (tenant, flag));
INSERT INTO "override" VALUES('["default", "default"]','a','{"flag":"a","definition":{"status":false},"author":"ada","reason":"because","created_at":"2026-11-24T06:00:10Z","updated_at":"2026-11-24T06:00:10Z","expires_at":null,"base_digest":"edc48cd3b0bc4fa7ba23aad40b8508a17d370ca38be174bae2a2f64634e65a2b"}');
INSERT INTO "override" VALUES('["default", "default"]','api','{"flag":"api","definition":{"status":true,"description":"Gr\u00fc\u00dfe"},"author":"ada","reason":"because","created_at":"2026-11-24T06:00:11Z","updated_at":"2026-11-24T06:00:11Z","expires_at":null,"base_digest":null}');
INSERT INTO "override" VALUES('["default", "default"]','b','{"flag":"b","definition":null,"author":"ada","reason":"because","created_at":"2026-11-24T06:00:12Z","updated_at":"2026-11-24T06:00:12Z","expires_at":null,"base_digest":"971783ee21587ed16ea049dec8a58d759cebca241850edf6f4020b8d12b6c1b9"}');
CREATE TABLE pointer (
    tenant TEXT PRIMARY KEY, version INTEGER NOT NULL, digest TEXT NOT NULL, revision INTEGER NOT NULL);
INSERT INTO "pointer" VALUES('["default", "default"]',2,'787350590205882c15771f95910f29630513a7290ea9c46611a1f5e08691b9eb',7);
CREATE TABLE release (
    tenant TEXT, version INTEGER, digest TEXT NOT NULL, origin TEXT NOT NULL, created_at TEXT NOT NULL,
    flags INTEGER NOT NULL, size INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (tenant, version));
INSERT INTO "release" VALUES('["default", "default"]',1,'cc9ea284a338ac3a271ff1a0329fb9c9b100be9e5060716fb5e62b017bceb335','{"commit":"abc","author":"ada","message":"first"}','2026-11-24T06:00:00Z',3,213,X'789C658EC10A02310C44FF65CE4550F0D25F110F599AD6856E0B6D5A9465FFDDB48207BD04DE4C66921D3E978D04F66CC0A9AF25A78D93726A311AF848A1C2EEA031AA903445298D0F83E55733E854564A3223CF59FA82BD9CAEBA2D54027F9D1BC811B4232FB8ABEBD8538B321BB97486D5E4A146C889FF6EAB5E398C47479FD2234797DB878E37D0914809');
INSERT INTO "release" VALUES('["default", "default"]',2,'787350590205882c15771f95910f29630513a7290ea9c46611a1f5e08691b9eb','{"commit":"def","author":"ada","message":"second"}','2026-11-24T06:00:30Z',2,191,X'789C4D8E410A03210C45EFF2D75268A11BAF52BAC8609C197014344ACBE0DD1B2D946E022F3FFF91133EE58304F66AC0B1ED39C583A372AC2118F8406B813D41631421A98A9E42E16EB0FC2F2557366894778A323BAF697DC3DE2E77BD16CA2BFF9207C811D491163C3575ECA9069946CE8D61B5D9BB2685D7F1D2282A6D29B854BFD43FFD0A4027');
CREATE TABLE retired (tenant TEXT, flag TEXT, at TEXT NOT NULL, PRIMARY KEY (tenant, flag));
INSERT INTO "retired" VALUES('["default", "default"]','gone','2026-11-24T06:00:30Z');
CREATE TABLE shelf (
    tenant TEXT, shelf TEXT, id TEXT, record TEXT NOT NULL, until REAL, PRIMARY KEY (tenant, shelf, id));
INSERT INTO "shelf" VALUES('["default", "default"]','settings','service','{"cors_origins":["https://a.example"]}',NULL);
INSERT INTO "shelf" VALUES('["default", "default"]','requests','r','{"at":1795500000.0,"fingerprint":"f"}',2110860000.0);
COMMIT;
