BEGIN TRANSACTION;
CREATE TABLE bench_schema (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT bench_schema_pkc PRIMARY KEY (version_num)
);
INSERT INTO "bench_schema" VALUES('0003');
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
INSERT INTO "conflicts" VALUES(1,'ba505fd1a7de56449e93118221260c054189fd22f3f467771808e05c80cd591b',0,'a run of this store',4,4,'4 of 4 samples of some-defense under some-attack on digits differ in a run of this store (plan ba505fd1a7de, shard 0): computed on cpu with torch 2.9 here, on cpu with torch ? there. What was stored first was kept.','{"device": "cpu"}','2026-11-26 21:21:42.973297');
CREATE TABLE environments (
	digest TEXT NOT NULL, 
	document JSON NOT NULL, 
	CONSTRAINT pk_environments PRIMARY KEY (digest)
);
INSERT INTO "environments" VALUES('f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','{"device": "cpu", "torch": "2.9"}');
CREATE TABLE outcomes (
	shard INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	sample INTEGER NOT NULL, 
	label INTEGER NOT NULL, 
	clean JSON NOT NULL, 
	perturbed JSON NOT NULL, 
	distance DOUBLE NOT NULL, 
	radius DOUBLE, minimal DOUBLE, broken_at INTEGER, fell_to TEXT, 
	CONSTRAINT pk_outcomes PRIMARY KEY (shard, position), 
	CONSTRAINT fk_outcomes_shard_shards FOREIGN KEY(shard) REFERENCES shards (id) ON DELETE CASCADE
);
INSERT INTO "outcomes" VALUES(1,0,746,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(1,1,151,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(1,2,865,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(1,3,616,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(2,0,166,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(2,1,239,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(2,2,937,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(2,3,605,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(3,0,746,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(3,1,151,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(3,2,865,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(3,3,616,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(4,0,166,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(4,1,239,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(4,2,937,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
INSERT INTO "outcomes" VALUES(4,3,605,3,'[3, 2]','[1, 3]',0.03,NULL,NULL,3,'square');
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
INSERT INTO "plans" VALUES('c80ad245b9e6574ca8e075cd30acbe24bd303d32b4559313f022e33a741b2769','some-defense','some-attack',NULL,'digits','{"defense": {"name": "some-defense", "params": {"k": 1}, "version": "1", "weights": {}}, "attack": {"name": "some-attack", "params": {}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "0", "threat": {"norm": "linf", "epsilon": "8/255"}, "knowledge": "white-box", "samples": 8, "sampling": "random", "sample_seed": 2024, "shard_size": 4, "seed": 0, "draws": 2, "precision": "float32", "harness": "2"}','2026-11-26 21:21:42.850460','{"defense": {"params": {"weights": "weights.pt"}}}');
INSERT INTO "plans" VALUES('ba505fd1a7de56449e93118221260c054189fd22f3f467771808e05c80cd591b','some-defense','some-attack',NULL,'digits','{"defense": {"name": "some-defense", "params": {"k": 1}, "version": "1", "weights": {}}, "attack": {"name": "some-attack", "params": {}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "0", "threat": {"norm": "linf", "epsilon": "8/255"}, "knowledge": "white-box", "samples": 8, "sampling": "random", "sample_seed": 2024, "shard_size": 4, "seed": 1, "draws": 2, "precision": "float32", "harness": "2"}','2026-11-26 21:21:42.919060',NULL);
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
INSERT INTO "shards" VALUES(1,'c80ad245b9e6574ca8e075cd30acbe24bd303d32b4559313f022e33a741b2769',0,'f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','abababababababababababababababababababababababababababababababab',NULL,'["remark"]',80,40,0.5,8589934592,'2026-11-26 21:21:42.830071','{"random": false, "declared_random": false, "differentiable": true, "abstains": false, "replayed": 2, "audited": 0, "batch_dependent": null, "contracts": {}, "crafting": null, "odd": [0, 0, 0]}',NULL,0);
INSERT INTO "shards" VALUES(2,'c80ad245b9e6574ca8e075cd30acbe24bd303d32b4559313f022e33a741b2769',1,'f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','abababababababababababababababababababababababababababababababab',NULL,'["remark"]',80,40,0.5,8589934592,'2026-11-26 21:21:42.901577','{"random": false, "declared_random": false, "differentiable": true, "abstains": false, "replayed": 2, "audited": 0, "batch_dependent": null, "contracts": {}, "crafting": null, "odd": [0, 0, 0]}',NULL,0);
INSERT INTO "shards" VALUES(3,'ba505fd1a7de56449e93118221260c054189fd22f3f467771808e05c80cd591b',0,'f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','abababababababababababababababababababababababababababababababab',NULL,'["remark"]',80,40,0.5,8589934592,'2026-11-26 21:21:42.917949','{"random": false, "declared_random": false, "differentiable": true, "abstains": false, "replayed": 2, "audited": 0, "batch_dependent": null, "contracts": {}, "crafting": null, "odd": [0, 0, 0]}',NULL,0);
INSERT INTO "shards" VALUES(4,'ba505fd1a7de56449e93118221260c054189fd22f3f467771808e05c80cd591b',1,'f2695d5fb27c20bcf9678d6d348e65a25df491e0b87ad2f9ba31a008fb35c963','abababababababababababababababababababababababababababababababab',NULL,'["remark"]',80,40,0.5,8589934592,'2026-11-26 21:21:42.941550','{"random": false, "declared_random": false, "differentiable": true, "abstains": false, "replayed": 2, "audited": 0, "batch_dependent": null, "contracts": {}, "crafting": null, "odd": [0, 0, 0]}',NULL,0);
COMMIT;
