from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel(
            "Product",
            [
                ("id", models.AutoField(primary_key=True)),
                ("name", models.CharField(max_length=50)),
                ("slug", models.SlugField(unique=True)),
                ("stock", models.IntegerField(null=True)),
                ("manual", models.FileField(null=True)),
                ("updated", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            "Review",
            [
                ("id", models.AutoField(primary_key=True)),
                ("stars", models.IntegerField()),
                ("good", models.BooleanField(null=True)),
                ("product", models.ForeignKey("Product", models.PROTECT, related_name="reviews")),
            ],
        ),
    ]
