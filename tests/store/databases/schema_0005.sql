BEGIN TRANSACTION;
CREATE TABLE bench_schema (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT bench_schema_pkc PRIMARY KEY (version_num)
);
INSERT INTO "bench_schema" VALUES('0005');
CREATE TABLE claims (
	"plan" TEXT NOT NULL, 
	shard INTEGER NOT NULL, 
	worker TEXT NOT NULL, 
	taken DOUBLE NOT NULL, 
	expires DOUBLE NOT NULL, 
	CONSTRAINT pk_claims PRIMARY KEY ("plan", shard), 
	CONSTRAINT fk_claims_plan_plans FOREIGN KEY("plan") REFERENCES plans (digest)
);
CREATE TABLE conflicts (
	id INTEGER NOT NULL, 
	"plan" TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	origin TEXT NOT NULL, 
	samples INTEGER NOT NULL, 
	compared INTEGER NOT NULL, 
	sentence TEXT NOT NULL, 
	environment JSON NOT NULL, 
	found DATETIME NOT NULL, 
	CONSTRAINT pk_conflicts PRIMARY KEY (id), 
	CONSTRAINT fk_conflicts_plan_plans FOREIGN KEY("plan") REFERENCES plans (digest)
);
INSERT INTO "conflicts" VALUES(1,'ba505fd1a7de56449e93118221260c054189fd22f3f467771808e05c80cd591b',1,'a run of this store',4,4,'4 of 4 samples of some-defense under some-attack on digits differ in a run of this store (plan ba505fd1a7de, shard 1): computed on cpu with torch 2.9 here, on cpu with torch ? there. What was stored first was kept.','{"device": "cpu"}','2026-11-27 03:46:20.878325');
CREATE TABLE environments (
	digest TEXT NOT NULL, 
	document JSON NOT NULL, 
	CONSTRAINT pk_environments PRIMARY KEY (digest)
);
INSERT INTO "environments" VALUES('f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','{"device": "cpu", "torch": "2.9"}');
CREATE TABLE plans (
	digest TEXT NOT NULL, 
	defense TEXT NOT NULL, 
	attack TEXT NOT NULL, 
	source TEXT, 
	dataset TEXT NOT NULL, 
	document JSON NOT NULL, 
	created DATETIME NOT NULL, places JSON, 
	CONSTRAINT pk_plans PRIMARY KEY (digest)
);
INSERT INTO "plans" VALUES('ba505fd1a7de56449e93118221260c054189fd22f3f467771808e05c80cd591b','some-defense','some-attack',NULL,'digits','{"defense": {"name": "some-defense", "params": {"k": 1}, "version": "1", "weights": {}}, "attack": {"name": "some-attack", "params": {}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "0", "threat": {"norm": "linf", "epsilon": "8/255"}, "knowledge": "white-box", "samples": 8, "sampling": "random", "sample_seed": 2024, "shard_size": 4, "seed": 1, "draws": 2, "precision": "float32", "harness": "2"}','2026-11-27 03:46:20.822614',NULL);
INSERT INTO "plans" VALUES('e97f9f10671ff3281263d4d027b85dc10abedcd057169c676b134a6e66cab954','some-defense','certify-l2',NULL,'digits','{"defense": {"name": "some-defense", "params": {"k": 1}, "version": "1", "weights": {}}, "attack": {"name": "certify-l2", "params": {}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "0", "threat": {"norm": "l2", "epsilon": "1/4"}, "knowledge": "certified", "samples": 4, "sampling": "random", "sample_seed": 2024, "shard_size": 4, "seed": 2, "draws": 1, "precision": "float32", "harness": "2"}','2026-11-27 03:46:20.898875',NULL);
INSERT INTO "plans" VALUES('a3be69605b0c2fc27d27f41171ced5b1097c701388259cdae887faeb6d3873d3','some-defense','some-attack',NULL,'digits','{"defense": {"name": "some-defense", "params": {"k": 1}, "version": "1", "weights": {}}, "attack": {"name": "some-attack", "params": {}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "0", "threat": {"norm": "linf", "epsilon": "8/255"}, "knowledge": "white-box", "samples": 6, "sampling": "random", "sample_seed": 2024, "shard_size": 4, "seed": 3, "draws": 2, "precision": "float32", "harness": "2"}','2026-11-27 03:46:20.910914',NULL);
CREATE TABLE shard_outcomes (
	shard INTEGER NOT NULL, 
	samples INTEGER NOT NULL, 
	sample BLOB NOT NULL, 
	label BLOB NOT NULL, 
	clean BLOB NOT NULL, 
	perturbed BLOB NOT NULL, 
	distance BLOB NOT NULL, 
	radius BLOB, 
	minimal BLOB, 
	broken_at BLOB, 
	fell_to BLOB, 
	parts TEXT, 
	CONSTRAINT pk_shard_outcomes PRIMARY KEY (shard), 
	CONSTRAINT fk_shard_outcomes_shard_shards FOREIGN KEY(shard) REFERENCES shards (id) ON DELETE CASCADE
);
INSERT INTO "shard_outcomes" VALUES(1,4,X'68EA02970061036802',X'6200010203',X'6800002C0101002C0102002C0103002C01',X'620009010902FF0309',X'64101010101010A03F1C40891B40899B3F1760F21660F2963F12805B12805B923F',NULL,X'64000000000000000039B4C876BE9F8A3F000000000000F07F000000000000F07F',X'650000004700BC00BC',X'62000102FF','["clean", "square", ""]');
INSERT INTO "shard_outcomes" VALUES(2,4,X'68A600EF00A9035D02',X'6200010203',X'6800002C0101002C0102002C0103002C01',X'620009010902FF0309',X'64101010101010A03F1C40891B40899B3F1760F21660F2963F12805B12805B923F',NULL,X'64000000000000000039B4C876BE9F8A3F000000000000F07F000000000000F07F',X'650000004700BC00BC',X'62000102FF','["clean", "square", ""]');
INSERT INTO "shard_outcomes" VALUES(3,4,X'68EA02970061036802',X'6203030303',X'6203030303',X'62FF030303',X'650000000000000000',X'6400000000000000009A9999999999B93F343333333333D33F000000000000F83F',NULL,NULL,NULL,NULL);
INSERT INTO "shard_outcomes" VALUES(4,4,X'68EA02970061036802',X'6203030303',X'620302030203020302',X'620103010301030103',X'64B81E85EB51B89E3FB81E85EB51B89E3FB81E85EB51B89E3FB81E85EB51B89E3F',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "shard_outcomes" VALUES(5,2,X'68A600EF00',X'620303',X'6203020302',X'6201030103',X'64B81E85EB51B89E3FB81E85EB51B89E3F',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE shards (
	id INTEGER NOT NULL, 
	"plan" TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	perturbed_sha256 TEXT NOT NULL, 
	invalid TEXT, 
	remarks JSON NOT NULL, 
	forwards BIGINT NOT NULL, 
	backwards BIGINT NOT NULL, 
	seconds DOUBLE NOT NULL, 
	peak_memory BIGINT NOT NULL, 
	finished DATETIME NOT NULL, facts JSON, origin TEXT, claimed BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_shards PRIMARY KEY (id), 
	CONSTRAINT fk_shards_plan_plans FOREIGN KEY("plan") REFERENCES plans (digest), 
	CONSTRAINT fk_shards_environment_environments FOREIGN KEY(environment) REFERENCES environments (digest), 
	CONSTRAINT uq_shards_plan_number UNIQUE ("plan", number)
);
INSERT INTO "shards" VALUES(1,'ba505fd1a7de56449e93118221260c054189fd22f3f467771808e05c80cd591b',0,'f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','abababababababababababababababababababababababababababababababab',NULL,'["remark"]',80,40,0.5,8589934592,'2026-11-27 03:46:20.816124','{"random": true, "declared_random": true, "differentiable": true, "abstains": false, "replayed": 2, "audited": 1, "batch_dependent": null, "contracts": {"leaves its input alone": ""}, "crafting": {"forwards": 40, "backwards": 40, "queries": 41, "gradients": {"own": 40}, "noises": 2, "zero_gradients": 0.0, "unmoved": 0, "controls": {"rows": 0, "moved": 0, "above_noise": 0, "below_noise": 0, "above_halfway": 0, "below_halfway": 0, "gradients": 0, "zero": 0, "saturated": 0, "falling": 0}, "told": {"fell early": 1}, "partial": 0}, "odd": [0, 0, 0]}',NULL,0);
INSERT INTO "shards" VALUES(2,'ba505fd1a7de56449e93118221260c054189fd22f3f467771808e05c80cd591b',1,'f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','abababababababababababababababababababababababababababababababab',NULL,'["remark"]',80,40,0.5,8589934592,'2026-11-27 03:46:20.845675','{"random": true, "declared_random": true, "differentiable": true, "abstains": false, "replayed": 2, "audited": 1, "batch_dependent": null, "contracts": {"leaves its input alone": ""}, "crafting": {"forwards": 40, "backwards": 40, "queries": 41, "gradients": {"own": 40}, "noises": 2, "zero_gradients": 0.0, "unmoved": 0, "controls": {"rows": 0, "moved": 0, "above_noise": 0, "below_noise": 0, "above_halfway": 0, "below_halfway": 0, "gradients": 0, "zero": 0, "saturated": 0, "falling": 0}, "told": {"fell early": 1}, "partial": 0}, "odd": [0, 0, 0]}',NULL,0);
INSERT INTO "shards" VALUES(3,'e97f9f10671ff3281263d4d027b85dc10abedcd057169c676b134a6e66cab954',0,'f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','abababababababababababababababababababababababababababababababab',NULL,'["remark"]',80,40,0.5,8589934592,'2026-11-27 03:46:20.898035','{"random": true, "declared_random": true, "differentiable": true, "abstains": false, "replayed": 2, "audited": 1, "batch_dependent": null, "contracts": {"leaves its input alone": ""}, "crafting": null, "odd": [0, 0, 0]}',NULL,0);
INSERT INTO "shards" VALUES(4,'a3be69605b0c2fc27d27f41171ced5b1097c701388259cdae887faeb6d3873d3',0,'f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','abababababababababababababababababababababababababababababababab',NULL,'["remark"]',80,40,0.5,8589934592,'2026-11-27 03:46:20.910152','{"random": false, "declared_random": true, "differentiable": true, "abstains": false, "replayed": 2, "audited": 1, "batch_dependent": null, "contracts": {"leaves its input alone": ""}, "crafting": {"forwards": 40, "backwards": 40, "queries": 41, "gradients": {"own": 40}, "noises": 2, "zero_gradients": 0.0, "unmoved": 0, "controls": {"rows": 0, "moved": 0, "above_noise": 0, "below_noise": 0, "above_halfway": 0, "below_halfway": 0, "gradients": 0, "zero": 0, "saturated": 0, "falling": 0}, "told": {"fell early": 1}, "partial": 0}, "odd": [0, 0, 0]}',NULL,0);
INSERT INTO "shards" VALUES(5,'a3be69605b0c2fc27d27f41171ced5b1097c701388259cdae887faeb6d3873d3',1,'f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','abababababababababababababababababababababababababababababababab',NULL,'["remark"]',80,40,0.5,8589934592,'2026-11-27 03:46:20.921461','{"random": false, "declared_random": true, "differentiable": true, "abstains": false, "replayed": 2, "audited": 1, "batch_dependent": null, "contracts": {"leaves its input alone": ""}, "crafting": {"forwards": 40, "backwards": 40, "queries": 41, "gradients": {"own": 40}, "noises": 2, "zero_gradients": 0.0, "unmoved": 0, "controls": {"rows": 0, "moved": 0, "above_noise": 0, "below_noise": 0, "above_halfway": 0, "below_halfway": 0, "gradients": 0, "zero": 0, "saturated": 0, "falling": 0}, "told": {"fell early": 1}, "partial": 0}, "odd": [0, 0, 0]}',NULL,0);
CREATE TABLE workers (
	name TEXT NOT NULL, 
	host TEXT NOT NULL, 
	started DOUBLE NOT NULL, 
	seen DOUBLE NOT NULL, 
	doing TEXT NOT NULL, 
	done INTEGER NOT NULL, 
	CONSTRAINT pk_workers PRIMARY KEY (name)
);
COMMIT;
