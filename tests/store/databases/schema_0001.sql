BEGIN TRANSACTION;
CREATE TABLE bench_schema (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT bench_schema_pkc PRIMARY KEY (version_num)
);
INSERT INTO "bench_schema" VALUES('0001');
CREATE TABLE environments (
	digest TEXT NOT NULL, 
	document JSON NOT NULL, 
	CONSTRAINT pk_environments PRIMARY KEY (digest)
);
INSERT INTO "environments" VALUES('0','{"device": "cpu"}');
CREATE TABLE outcomes (
	shard INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	sample INTEGER NOT NULL, 
	label INTEGER NOT NULL, 
	clean JSON NOT NULL, 
	perturbed JSON NOT NULL, 
	distance DOUBLE NOT NULL, 
	radius DOUBLE, 
	CONSTRAINT pk_outcomes PRIMARY KEY (shard, position), 
	CONSTRAINT fk_outcomes_shard_shards FOREIGN KEY(shard) REFERENCES shards (id) ON DELETE CASCADE
);
INSERT INTO "outcomes" VALUES(1,0,746,3,'[3]','[1]',0.03,NULL);
INSERT INTO "outcomes" VALUES(1,1,151,3,'[3]','[1]',0.03,NULL);
INSERT INTO "outcomes" VALUES(1,2,865,3,'[3]','[1]',0.03,NULL);
INSERT INTO "outcomes" VALUES(1,3,616,3,'[3]','[1]',0.03,NULL);
CREATE TABLE plans (
	digest TEXT NOT NULL, 
	defense TEXT NOT NULL, 
	attack TEXT NOT NULL, 
	source TEXT, 
	dataset TEXT NOT NULL, 
	document JSON NOT NULL, 
	created DATETIME NOT NULL, 
	CONSTRAINT pk_plans PRIMARY KEY (digest)
);
INSERT INTO "plans" VALUES('aadb0c52e3fe23ff148bab893168422d999d8889353eb8aed77b9386374b0869','some-defense','some-attack',NULL,'digits','{"defense": {"name": "some-defense", "params": {"k": 1}, "version": "1", "weights": {}}, "attack": {"name": "some-attack", "params": {}, "version": "1", "weights": {}}, "source": null, "dataset": {"name": "digits", "params": {}, "version": "1", "weights": {}}, "size": 1024, "images": "0", "threat": {"norm": "linf", "epsilon": "8/255"}, "knowledge": "white-box", "samples": 4, "sampling": "random", "sample_seed": 2024, "shard_size": 4, "seed": 0, "draws": 2, "precision": "float32"}','2026-11-19 12:00:00.000000');
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
	finished DATETIME NOT NULL, 
	CONSTRAINT pk_shards PRIMARY KEY (id), 
	CONSTRAINT fk_shards_plan_plans FOREIGN KEY("plan") REFERENCES plans (digest), 
	CONSTRAINT fk_shards_environment_environments FOREIGN KEY(environment) REFERENCES environments (digest), 
	CONSTRAINT uq_shards_plan_number UNIQUE ("plan", number)
);
INSERT INTO "shards" VALUES(1,'aadb0c52e3fe23ff148bab893168422d999d8889353eb8aed77b9386374b0869',0,'0','abababababababababababababababababababababababababababababababab',NULL,'[]',8,4,0.5,1,'2026-11-19 12:00:00.000000');
COMMIT;
