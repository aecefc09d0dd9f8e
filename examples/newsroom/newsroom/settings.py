"""Settings of the example: a project that runs on PostgreSQL."""

SECRET_KEY = "an example needs no secret"
INSTALLED_APPS = ["blog"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "newsroom",
        "HOST": "127.0.0.1",
        "USER": "postgres",
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
